/**
 * Reads the fields of a configuration and remembers which ones were read, so that what is left over can be refused:
 * a field nobody read may change what the model computes.
 */
import { isJsonObject, type Json, type JsonObject } from "./strict_json.ts";

/** Shows a JSON value in an error message, cut short when it is long. */
function show(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The fields of one JSON object. A field that is null counts as absent, except for `has`. */
export class Fields {
  readonly #object: JsonObject;
  readonly #what: string;
  readonly #prefix: string;
  readonly #read = new Set<string>();

  /**
   * Starts with no field read.
   *
   * @param what Named in errors, such as `config.json`.
   * @param prefix Put before field names in errors, such as `rope_scaling.`.
   */
  constructor(object: JsonObject, what: string, prefix = "") {
    this.#object = object;
    this.#what = what;
    this.#prefix = prefix;
  }

  /** Whether the field is written down, be it null. */
  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** An error that names the field, its value and what is supported. */
  unsupported(name: string, expected: string): RangeError {
    const value = this.has(name) ? ` = ${show(this.#object[name])}` : "";
    return new RangeError(
      `Cannot use ${this.#what}: ${this.#prefix}${name}${value} is not supported, expected ${expected}`,
    );
  }

  #wrongType(name: string, value: Json, expected: string): TypeError {
    return new TypeError(`Cannot use ${this.#what}: ${this.#prefix}${name} is ${show(value)}, expected ${expected}`);
  }

  /** The value of a field, or undefined when it is absent or null. */
  value(name: string): Exclude<Json, null> | undefined {
    this.#read.add(name);
    return (this.has(name) ? this.#object[name] : undefined) ?? undefined;
  }

  #orDefault<T>(name: string, value: T | undefined, otherwise: T | undefined): T {
    const result = value ?? otherwise;
    if (result === undefined) {
      throw new RangeError(`Cannot use ${this.#what}: the field ${this.#prefix}${name} is missing`);
    }
    return result;
  }

  /**
   * A whole number in `[1, largest]`.
   *
   * @throws {TypeError} If it is no whole number.
   * @throws {RangeError} If it is out of range, or absent without a default.
   */
  count(name: string, largest: number, otherwise?: number): number {
    const value = this.value(name);
    if (value !== undefined && !Number.isInteger(value)) throw this.#wrongType(name, value, "a whole number");
    const count = this.#orDefault(name, value as number | undefined, otherwise);
    if (count < 1 || count > largest) throw this.unsupported(name, `1 to ${largest}`);
    return count;
  }

  /**
   * A finite number above 0.
   *
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it is out of range, or absent without a default.
   */
  positive(name: string, otherwise?: number): number {
    const value = this.value(name);
    if (value !== undefined && typeof value !== "number") throw this.#wrongType(name, value, "a number");
    const number = this.#orDefault(name, value, otherwise);
    if (!(number > 0) || !Number.isFinite(number)) throw this.unsupported(name, "a finite number above 0");
    return number;
  }

  /** A truth value. Throws TypeError if it is something else. */
  flag(name: string, otherwise: boolean): boolean {
    const value = this.value(name) ?? otherwise;
    if (typeof value !== "boolean") throw this.#wrongType(name, value, "true or false");
    return value;
  }

  /** A string. Throws TypeError if it is something else, RangeError if it is absent without a default. */
  text(name: string, otherwise?: string): string {
    const value = this.#orDefault(name, this.value(name), otherwise);
    if (typeof value !== "string") throw this.#wrongType(name, value, "a string");
    return value;
  }

  /** A list, or undefined when absent. Throws TypeError if it is something else. */
  list(name: string): Json[] | undefined {
    const value = this.value(name);
    if (value !== undefined && !Array.isArray(value)) throw this.#wrongType(name, value, "a list");
    return value;
  }

  /** `length` finite numbers above 0. Throws TypeError or RangeError if they are not. */
  positives(name: string, length: number): number[] {
    const list = this.#orDefault(name, this.list(name), undefined);
    if (list.length !== length || list.some((value) => !(Number.isFinite(value) && (value as number) > 0))) {
      throw this.unsupported(name, `${length} finite numbers above 0`);
    }
    return list as number[];
  }

  /** An object as fields of its own, or undefined when absent. Throws TypeError if it is something else. */
  object(name: string): Fields | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw this.#wrongType(name, value, "an object");
    return new Fields(value, this.#what, `${this.#prefix}${name}.`);
  }

  /** Accepts the field only when absent, null or one of the values (compared as JSON). Throws RangeError otherwise. */
  only(name: string, accepted: readonly Json[]): void {
    const value = this.value(name);
    if (value === undefined || accepted.some((one) => JSON.stringify(one) === JSON.stringify(value))) return;
    throw this.unsupported(name, accepted.length === 0 ? "no such field" : accepted.map(show).join(" or "));
  }

  /**
   * Refuses every field that was not read, is not null and is not harmless.
   *
   * @throws {RangeError} Names the field, its value, and the fields that are understood.
   */
  refuseOthers(harmless: ReadonlySet<string> = new Set()): void {
    for (const [name, value] of Object.entries(this.#object)) {
      if (value === null || this.#read.has(name) || harmless.has(name)) continue;
      throw new RangeError(
        `Cannot use ${this.#what}: the field ${this.#prefix}${name} = ${
          show(value)
        } is not known here and may change ` +
          `the computation; understood are ${[...this.#read].sort().join(", ")}`,
      );
    }
  }
}
