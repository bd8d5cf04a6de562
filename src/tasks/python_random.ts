/**
 * The random numbers of Python's `random.Random(seed)`, for the few-shot rows that lm-evaluation-harness draws: the
 * Mersenne Twister MT19937 (Matsumoto and Nishimura, ACM TOMACS 8, 1998) and Python's way of sampling from it.
 */

const WORDS = 624;
const SHIFT = 397;

/** A stream equal to Python's for the same integer seed. */
export class PythonRandom {
  readonly #state = new Uint32Array(WORDS);
  #next = WORDS;

  /**
   * @param seed An integer in [0, 2^32).
   * @throws {RangeError} If it is not.
   */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new RangeError(`Cannot seed Python's random numbers with ${seed}: expected an integer from 0 to 2^32 - 1`);
    }
    const state = this.#state;
    state[0] = 19650218;
    for (let i = 1; i < WORDS; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    // Python initialises from an array of 32-bit words, which for such a seed has one word.
    let i = 1;
    const advance = () => {
      if (++i < WORDS) return;
      state[0] = state[WORDS - 1];
      i = 1;
    };
    for (let k = 0; k < WORDS; k++) {
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1664525)) + seed;
      advance();
    }
    for (let k = 0; k < WORDS - 1; k++) {
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1566083941)) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < WORDS; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % WORDS] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % WORDS] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  /** A uniform integer in [0, 2^32). */
  nextUint32(): number {
    if (this.#next === WORDS) this.#twist();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** A uniform integer in [0, `bound`), by rejection on the top bits, as `randrange` draws it. */
  #nextBelow(bound: number): number {
    const bits = 32 - Math.clz32(bound);
    while (true) {
      const value = this.nextUint32() >>> (32 - bits);
      if (value < bound) return value;
    }
  }

  /**
   * Draws different items as `random.sample(items, count)` does.
   *
   * @throws {RangeError} If there are fewer items than that.
   */
  sample<Item>(items: readonly Item[], count: number): Item[] {
    if (!Number.isInteger(count) || count < 0 || count > items.length) {
      throw new RangeError(`Cannot draw ${count} items: there are ${items.length}`);
    }
    // Python's choice of method depends on the sizes, and the two methods draw differently.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (items.length <= setSize) {
      const pool = [...items];
      return Array.from({ length: count }, (_, i) => {
        const j = this.#nextBelow(pool.length - i);
        const drawn = pool[j];
        pool[j] = pool[pool.length - i - 1];
        return drawn;
      });
    }
    const taken = new Set<number>();
    return Array.from({ length: count }, () => {
      let j = this.#nextBelow(items.length);
      while (taken.has(j)) j = this.#nextBelow(items.length);
      taken.add(j);
      return items[j];
    });
  }
}
