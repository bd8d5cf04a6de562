/**
 * Seeded random numbers that are the same on every machine: xoshiro128** (Blackman and Vigna,
 * "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021), its state filled by SplitMix32.
 */

/** A stream of random numbers. Streams of different seeds are independent for all practical purposes. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  nextUint32(): number;
  /** A uniform number in [0, 1) with 53 random bits. */
  nextFloat(): number;
  /**
   * A uniform integer in [0, `bound`), without bias.
   *
   * @throws {RangeError} If `bound` is no integer in [1, 2^32].
   */
  nextBelow(bound: number): number;
  /** Puts the items in random order, in place (Fisher-Yates), and returns them. */
  shuffle<Item>(items: Item[]): Item[];
  /**
   * Draws `count` different positions' items in random order; `items` stays as it is.
   *
   * @throws {RangeError} If there are fewer items than that.
   */
  sample<Item>(items: readonly Item[], count: number): Item[];
}

const TWO_32 = 2 ** 32;

/** SplitMix32: turns one 32-bit counter into well-mixed words. */
function createSplitMix32(start: number): () => number {
  let state = start | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

/**
 * Creates a stream.
 *
 * @param seed An integer in [0, 2^53); both halves count.
 * @throws {RangeError} If it is not.
 */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Cannot seed a random stream with ${seed}: expected an integer from 0 to 2^53 - 1`);
  }
  const low = createSplitMix32(seed % TWO_32);
  // The upper half starts elsewhere, so that a small seed does not make the two generators run in step.
  const high = createSplitMix32(Math.floor(seed / TWO_32) ^ 0x5bd1e995);
  const state = Int32Array.from({ length: 4 }, () => low() ^ high());
  // All zeros is the one state xoshiro128** never leaves.
  if (state.every((word) => word === 0)) state[0] = 1;

  function nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotateLeft(state[3], 11);
    return result;
  }

  function nextBelow(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > TWO_32) {
      throw new RangeError(`Cannot draw below ${bound}: expected an integer from 1 to 2^32`);
    }
    // Values at or above the largest multiple of the bound would favour small remainders.
    const limit = TWO_32 - (TWO_32 % bound);
    while (true) {
      const word = nextUint32();
      if (word < limit) return word % bound;
    }
  }

  /** Moves a random choice of `count` items to the front. */
  function shuffleFront<Item>(items: Item[], count: number): Item[] {
    for (let i = 0; i < count; i++) {
      const j = i + nextBelow(items.length - i);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  return {
    nextUint32,
    nextFloat: () => ((nextUint32() >>> 5) * 2 ** 26 + (nextUint32() >>> 6)) / 2 ** 53,
    nextBelow,
    shuffle: (items) => shuffleFront(items, items.length),
    sample(items, count) {
      if (!Number.isInteger(count) || count < 0 || count > items.length) {
        throw new RangeError(`Cannot draw ${count} items: there are ${items.length}`);
      }
      return shuffleFront([...items], count).slice(0, count);
    },
  };
}
