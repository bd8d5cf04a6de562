/** What of a request does not fit its schema, in words: those of the validator are for whoever wrote the schema. */
import type { ErrorObject } from "ajv/dist/2020.js";

const types: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  integer: "a whole number",
  null: "null",
  number: "a number",
  object: "an object",
  string: "a text",
};

type Params = ErrorObject["params"];

/** What is said after the place of a fault, by the keyword of the schema that is not kept to. */
const words: Readonly<Record<string, (params: Params) => string>> = {
  additionalProperties: ({ additionalProperty }) => `has the unknown field ${JSON.stringify(additionalProperty)}`,
  const: ({ allowedValue }) => `must be ${JSON.stringify(allowedValue)}`,
  enum: ({ allowedValues }) => `must be one of ${allowedValues.join(", ")}`,
  maximum: ({ limit }) => `must be at most ${limit}`,
  maxItems: ({ limit }) => `must have at most ${limit} items`,
  maxLength: ({ limit }) => `must have at most ${limit} characters`,
  maxProperties: ({ limit }) => `must have at most ${limit} fields`,
  minimum: ({ limit }) => `must be at least ${limit}`,
  // Whatever has a least length has one of 1.
  minItems: () => "must not be empty",
  minLength: () => "must not be empty",
  minProperties: () => "must not be empty",
  // The schema has one pattern, that of the names of splits.
  pattern: () => "must be a name of letters, digits, _ and -",
  propertyNames: ({ propertyName }) =>
    `has the name ${JSON.stringify(propertyName)}, expected letters, digits, _ and -`,
  required: ({ missingProperty }) => `lacks the field ${JSON.stringify(missingProperty)}`,
  type: ({ type }) => `must be ${String(type).split(",").map((name) => types[name] ?? name).join(" or ")}`,
  uniqueItems: ({ i, j }) => `has the same value at ${i} and at ${j}: name it once`,
};

/** Keywords of a schema that there are words for. */
export const wordedKeywords: readonly string[] = Object.keys(words);

/** Says what is at fault, by its field. */
export function explainFault({ instancePath, keyword, params, message }: ErrorObject): string {
  const place = instancePath === "" ? "the request" : instancePath.slice(1).replaceAll("/", ".");
  return `${place} ${words[keyword]?.(params) ?? message}`;
}
