/** In what two runs differ, named by the options of the command line that decide it. */
import { isDeepStrictEqual } from "node:util";
import type { Provenance } from "./provenance.ts";

/** Most differences that a sentence names. */
const shown = 4;

/** Longest value that a sentence holds, in characters. */
const longest = 60;

/** What no option decides, or one of another name than its field. */
const provenanceNames: Readonly<Record<string, string>> = {
  dataSha256: "the rows",
  truncated: "--truncate",
  weights: "the weights",
  versions: "the version",
  examples: "the rows or their prompts",
};

/** Fields whose values say nothing to a person. */
const digests: ReadonlySet<string> = new Set(["dataSha256", "weights", "examples"]);

/** The option that a field is named after: `maxNodes` is `--max-nodes`. */
function optionName(field: string): string {
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The fields of two records, in the order of what is wanted here. */
function fieldsOf(there: object, here: object): string[] {
  return [...new Set([...Object.keys(here), ...Object.keys(there)])];
}

/** A value as it would be typed; what files of strangers say is quoted where it is more than a plain word. */
function describeValue(value: unknown): string {
  if (value === undefined || value === null) return "none";
  const text = Array.isArray(value) ? value.join(",") : typeof value === "string" ? value : JSON.stringify(value);
  const cut = text.length <= longest ? text : `${text.slice(0, longest - 3)}...`;
  return /^[\w./:@=,+-]+$/.test(cut) ? cut : JSON.stringify(cut).replaceAll(/[^\x20-\x7e]/g, "?");
}

/** One value in two runs, in words: `--seed 0 there, 1 here`; nothing where it is the same. */
export function valueDifference(name: string, there: unknown, here: unknown): string[] {
  return isDeepStrictEqual(there, here) ? [] : [`${name} ${describeValue(there)} there, ${describeValue(here)} here`];
}

/**
 * The settings that differ between two records of them, in the order of what is wanted here.
 *
 * @param names What fields are called whose option has another name.
 */
export function settingDifferences(
  there: object,
  here: object,
  names: Readonly<Record<string, string>> = {},
): string[] {
  const [before, now] = [there, here] as Record<string, unknown>[];
  return fieldsOf(there, here).flatMap((field) =>
    valueDifference(names[field] ?? optionName(field), before[field], now[field])
  );
}

/** In what model, task, data and versions differ. */
export function provenanceDifferences(there: Provenance, here: Provenance): string[] {
  return (fieldsOf(there, here) as (keyof Provenance)[]).flatMap((field) => {
    if (isDeepStrictEqual(there[field], here[field])) return [];
    const name = provenanceNames[field] ?? optionName(field);
    if (digests.has(field)) return [`${name} (another digest)`];
    const [before, now] = [there, here].map((own) => field === "versions" ? versionsOf(own) : own[field]);
    return valueDifference(name, before, now);
  });
}

/** Versions as `secateur@0.1.0`. */
function versionsOf({ versions }: Provenance): string[] {
  return Object.entries(versions).map(([name, version]) => `${name}@${version}`);
}

/** In what lists of rows differ, by their ids. */
export function rowDifferences(name: string, there: readonly string[], here: readonly string[]): string[] {
  if (isDeepStrictEqual(there, here)) return [];
  return [there.length === here.length ? `${name} (others)` : `${name} (${there.length} there, ${here.length} here)`];
}

/** The first of some differences as a sentence about a file; undefined where there are none. */
export function describeDifferences(differences: readonly string[]): string | undefined {
  const all = [...new Set(differences)];
  if (all.length === 0) return undefined;
  const rest = all.length > shown ? `; and ${all.length - shown} more` : "";
  return `is of another run: ${all.slice(0, shown).join("; ")}${rest}`;
}
