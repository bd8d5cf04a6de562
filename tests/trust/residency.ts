/** Whether the memory of a process that does the same work over and over stays where it is. */

/** Fewest samples that say anything: less is the start of a process. */
const fewestSamples = 100;
/** What the later half may have over the earlier one: the floor tells a leak, the peak what accumulates and is dropped. */
const most = { floor: 1.1, peak: 1.25 } as const;
/** The share of samples below the floor: a single one right after a collection is no floor. */
const belowFloor = 0.1;

/** Resident memory in the two halves of a run. */
export interface Residency {
  /** Median of every tenth, in bytes. */
  readonly tenths: readonly number[];
  /** Floor of the later half over that of the earlier one. */
  readonly floorGrowth: number;
  /** Most of the later half over most of the earlier one. */
  readonly peakGrowth: number;
}

/**
 * Compares the later half of a run with the earlier one. An allocator keeps and gives back memory as it likes, so single
 * values swing; what leaks raises the floor under them, and what piles up between two cleanings the most.
 *
 * @param samples Resident bytes after every job, without those at the start of the process, while its pools and caches
 * fill.
 * @throws {Error} If the later half has more than the earlier one; runs of fewer than a hundred samples are not judged.
 */
export function judgeResidency(samples: readonly number[]): Residency {
  const part = Math.max(1, Math.floor(samples.length / 10));
  const tenths = [];
  for (let i = 0; i + part <= samples.length && tenths.length < 10; i += part) {
    tenths.push(samples.slice(i, i + part).sort((a, b) => a - b)[part >> 1]);
  }
  const middle = Math.ceil(samples.length / 2);
  const [earlier, later] = [samples.slice(0, middle), samples.slice(middle)];
  const floor = (part: readonly number[]) => part.toSorted((a, b) => a - b)[Math.floor(belowFloor * part.length)];
  const floorGrowth = floor(later) / floor(earlier);
  const peakGrowth = Math.max(...later) / Math.max(...earlier);
  if (samples.length >= fewestSamples && (floorGrowth > most.floor || peakGrowth > most.peak)) {
    throw new Error(
      `The resident memory of ${samples.length} jobs grew: its floor by ${floorGrowth.toFixed(2)}, its most by ` +
        `${peakGrowth.toFixed(2)}; expected at most ${most.floor} and ${most.peak} times that of the earlier half; ` +
        `medians of the tenths in bytes: ${tenths.join(", ")}`,
    );
  }
  return { tenths, floorGrowth, peakGrowth };
}
