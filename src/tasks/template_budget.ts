/** How much work and memory one rendering may take. Task files and rows are untrusted, so nothing may be unbounded. */

/** What one rendering may take. */
export interface TemplateLimits {
  /** Expressions evaluated, comparisons included. */
  readonly steps: number;
  /** Length of any text, in UTF-16 units, also of the result. */
  readonly characters: number;
  /** Length of all texts that are made on the way, those that are dropped again too. */
  readonly charactersMade: number;
  /** Length of any list. */
  readonly items: number;
  /** Wall-clock time in milliseconds. */
  readonly milliseconds: number;
}

/** Far above what prompts need, and still over in a moment. */
export const defaultTemplateLimits: TemplateLimits = {
  steps: 200_000,
  characters: 1_000_000,
  charactersMade: 50_000_000,
  items: 100_000,
  milliseconds: 2_000,
};

/** Counts what one rendering takes. Every method throws RangeError when a limit is passed. */
export class TemplateBudget {
  #steps = 0;
  #made = 0;
  readonly #end: number;

  constructor(readonly limits: TemplateLimits) {
    this.#end = performance.now() + limits.milliseconds;
  }

  /** Counts one evaluation and looks at the clock. */
  step(): void {
    if (++this.#steps > this.limits.steps) throw new RangeError(`more than ${this.limits.steps} steps`);
    if (performance.now() > this.#end) throw new RangeError(`more than ${this.limits.milliseconds} milliseconds`);
  }

  /** Checks the length of a text before it is made. */
  checkCharacters(length: number): void {
    if (!(length <= this.limits.characters)) {
      throw new RangeError(`text of more than ${this.limits.characters} characters`);
    }
  }

  /** Checks the length of a text before it is made, and counts it. */
  makeCharacters(length: number): void {
    this.checkCharacters(length);
    this.#made += length;
    if (this.#made > this.limits.charactersMade) {
      throw new RangeError(`more than ${this.limits.charactersMade} characters in all texts together`);
    }
  }

  /** Checks the length of a list before it is made. */
  checkItems(length: number): void {
    if (!(length <= this.limits.items)) throw new RangeError(`a list of more than ${this.limits.items} items`);
  }
}
