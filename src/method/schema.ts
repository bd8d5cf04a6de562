/** Reading the JSON of a run strictly: nothing missing, nothing unknown, every value of its type. */
import { isJsonObject, type Json, parseJsonObject } from "../checkpoint/strict_json.ts";

/** Turns a JSON value into a typed one, or throws a SyntaxError that names the place and what was expected there. */
export type Schema<T> = (value: Json | undefined, where: string) => T;

/** The type that a schema reads. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

function fail(value: Json | undefined, where: string, expected: string): never {
  const found = value === undefined ? "missing" : JSON.stringify(value).slice(0, 60);
  throw new SyntaxError(`${where} is ${found}, expected ${expected}`);
}

/** A string. */
export const text: Schema<string> = (value, where) =>
  typeof value === "string" ? value : fail(value, where, "a string");

/** A number. */
export const number: Schema<number> = (value, where) =>
  typeof value === "number" ? value : fail(value, where, "a number");

/** A whole number from 0 to 2^53 - 1. */
export const integer: Schema<number> = (value, where) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? value as number
    : fail(value, where, "a whole number from 0 to 2^53 - 1");

/** True or false. */
export const boolean: Schema<boolean> = (value, where) =>
  typeof value === "boolean" ? value : fail(value, where, "true or false");

/** Anything that is neither an object nor a list. */
export const scalar: Schema<string | number | boolean | null> = (value, where) =>
  value === undefined || typeof value === "object" && value !== null
    ? fail(value, where, "a string, number, boolean or null")
    : value;

/** One of the given values. */
export function oneOf<const T extends string | number>(...values: readonly T[]): Schema<T> {
  return (value, where) =>
    values.find((allowed) => allowed === value) ??
      fail(value, where, values.map((allowed) => JSON.stringify(allowed)).join(" or "));
}

/** Null, or what `schema` reads. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return (value, where) => value === null ? null : schema(value, where);
}

/** Nothing at all, or what `schema` reads: a field that may be missing. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return (value, where) => value === undefined ? undefined : schema(value, where);
}

/** A list of what `schema` reads. */
export function list<T>(schema: Schema<T>): Schema<T[]> {
  return (value, where) =>
    Array.isArray(value)
      ? value.map((item, index) => schema(item, `${where}[${index}]`))
      : fail(value, where, "a list");
}

/** A list of whole numbers below 2^32. */
export const uint32s: Schema<Uint32Array> = (value, where) =>
  Uint32Array.from(
    list((item, place) => {
      const whole = integer(item, place);
      return whole < 2 ** 32 ? whole : fail(item, place, "a whole number below 2^32");
    })(value, where),
  );

/** An object with any fields, each of which `schema` reads. */
export function dictionary<T>(schema: Schema<T>): Schema<Record<string, T>> {
  return (value, where) => {
    if (!isJsonObject(value)) return fail(value, where, "an object");
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, schema(item, `${where}.${name}`)]));
  };
}

/** The names of the fields that may be missing. */
type OptionalName<Fields> = {
  [Name in keyof Fields]: undefined extends Infer<Fields[Name]> ? Name : never;
}[keyof Fields];

/** What `record` reads. */
type RecordOf<Fields> =
  & { [Name in Exclude<keyof Fields, OptionalName<Fields>>]: Infer<Fields[Name]> }
  & { [Name in OptionalName<Fields>]?: Exclude<Infer<Fields[Name]>, undefined> };

/** An object with exactly these fields; those that are missing, and may be, are missing in the result too. */
export function record<Fields extends Record<string, Schema<unknown>>>(fields: Fields): Schema<RecordOf<Fields>> {
  return (value, where) => {
    if (!isJsonObject(value)) return fail(value, where, "an object");
    // First what it is: another kind of file has other fields too.
    if (Object.hasOwn(fields, "format")) {
      fields.format(Object.hasOwn(value, "format") ? value.format : undefined, `${where}.format`);
    }
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
    if (unknown !== undefined) {
      const known = Object.keys(fields).join(", ");
      throw new SyntaxError(`${where} has the field ${JSON.stringify(unknown)}, expected only ${known}`);
    }
    const entries = Object.entries(fields).flatMap(([name, schema]) => {
      const item = schema(Object.hasOwn(value, name) ? value[name] : undefined, `${where}.${name}`);
      return item === undefined ? [] : [[name, item] as const];
    });
    return Object.fromEntries(entries) as RecordOf<Fields>;
  };
}

/**
 * Parses a document that a schema describes.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is not strict JSON, or not what the schema says.
 */
export function parseDocument<T>(what: string, content: string | Uint8Array, schema: Schema<T>): T {
  const object = parseJsonObject(what, content);
  try {
    return schema(object, "the document");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`Cannot parse ${what}: ${error.message}`, { cause: error });
  }
}
