/** Paired sampling: every contender once a round, so that whatever slows the machine slows all of them. */

/** Something that can be timed again and again. */
export interface Contender {
  readonly name: string;
  /** Runs once and resolves to seconds. */
  sample(): Promise<number>;
}

/**
 * Seconds of each contender, one a round, by name. The order turns from round to round, so that no contender always
 * follows the same one.
 */
export async function samplePaired(contenders: readonly Contender[], rounds: number): Promise<Map<string, number[]>> {
  const seconds = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  if (seconds.size !== contenders.length) {
    throw new RangeError("Cannot sample contenders of one name: expected different names");
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(round + i) % contenders.length];
      seconds.get(contender.name)!.push(await contender.sample());
    }
  }
  return seconds;
}

/** A contender timed by the wall clock. `work` must wait until its work is done. */
export function wallClock(name: string, work: () => Promise<unknown>): Contender {
  return {
    name,
    async sample() {
      const start = performance.now();
      await work();
      return (performance.now() - start) / 1e3;
    },
  };
}
