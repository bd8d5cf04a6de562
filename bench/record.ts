/** What the bench writes down: one self-contained line of JSON a measurement, in one file an adapter. */
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** The parts of the bench. */
export const PARTS = ["kernels", "peers", "job", "growth", "budget"] as const;

/** One part of the bench. */
export type Part = typeof PARTS[number];

/** One contender's measurement, or why there is none. */
export interface Measurement {
  readonly part: Part;
  /** What was measured, such as `matmul_nt(T=512,K=1024,N=1024,f32)`; `--filter` looks for text in it. */
  readonly case: string;
  /** Who did it, such as `subgroup`, `@jax-js/jax` or `pytorch`. */
  readonly contender: string;
  /** Median seconds; null where it did not run or where the figures say all. */
  readonly seconds: number | null;
  /** Lower and upper quartile of the seconds, where there are several samples. */
  readonly quartiles?: readonly [number, number];
  /** Number of samples. */
  readonly samples: number;
  /** What `figures.timesAsFast` compares with, sampled in the same rounds. */
  readonly reference?: string;
  /** Derived numbers, by name with the unit in it, such as `gflopsPerSecond`, `rooflinePercent`, `peakBytes`. */
  readonly figures: Readonly<Record<string, number>>;
  /** How far the checked result was from what it should be; the measurement counts only because this passed. */
  readonly check: Readonly<Record<string, number>>;
  /** What the reader must know: why there is no number, or how it was extrapolated. */
  readonly note?: string;
}

/** Where and with what a measurement was made. */
export interface Environment {
  /** UTC, ISO 8601: the same for all measurements of one run. */
  readonly time: string;
  /** Commit of the checkout. */
  readonly commit: string;
  /** Whether tracked files of the program or the bench differ from it. */
  readonly dirty: boolean;
  readonly adapter: string;
  /** Driver and version, as the operating system tells it. */
  readonly driver: string;
  readonly deno: string;
  /** Operating system and architecture. */
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  /** Load average of the last minute when the run began: above `cores`, other programs were in the way. */
  readonly load: number;
}

/** One line of a results file. */
export type BenchRecord = Environment & Measurement;

const isText = (field: unknown) => typeof field === "string";
const isNumber = (field: unknown) => typeof field === "number" && Number.isFinite(field);

const ENVIRONMENT_FIELDS: Readonly<Record<keyof Environment, (field: unknown) => boolean>> = {
  time: isText,
  commit: isText,
  dirty: (field) => typeof field === "boolean",
  adapter: isText,
  driver: isText,
  deno: isText,
  os: isText,
  cpu: isText,
  cores: isNumber,
  load: isNumber,
};

/**
 * Reads one line of a results file.
 *
 * @throws {SyntaxError} If it is not JSON.
 * @throws {TypeError} If a field is missing, unknown, or of another type; the message names it.
 */
export function parseRecord(line: string): BenchRecord {
  const value: unknown = JSON.parse(line);
  const fail = (what: string) => new TypeError(`Cannot read a bench record: ${what}, in ${line.slice(0, 200)}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("it is not an object");
  const { ...fields } = value as Record<string, unknown>;
  const take = (name: string, accepts: (field: unknown) => boolean, expected: string) => {
    if (!accepts(fields[name])) throw fail(`${name} is ${JSON.stringify(fields[name])}, expected ${expected}`);
    delete fields[name];
  };
  const isCount = (field: unknown) => Number.isSafeInteger(field) && Number(field) >= 0;
  const isTime = (field: unknown) => Number.isFinite(field) && Number(field) >= 0;
  for (const [name, accepts] of Object.entries(ENVIRONMENT_FIELDS)) take(name, accepts, "what an environment says");
  take("part", (field) => (PARTS as readonly unknown[]).includes(field), `one of ${PARTS.join(", ")}`);
  for (const name of ["case", "contender"]) {
    take(name, (field) => isText(field) && field !== "", "text");
  }
  take("seconds", (field) => field === null || isTime(field), "seconds or null");
  take(
    "quartiles",
    (field) => field === undefined || (Array.isArray(field) && field.length === 2 && field.every(isTime)),
    "two numbers",
  );
  take("samples", isCount, "a count");
  for (const name of ["figures", "check"]) {
    take(
      name,
      (field) => typeof field === "object" && field !== null && Object.values(field).every(isNumber),
      "finite numbers by name",
    );
  }
  for (const name of ["reference", "note"]) {
    take(name, (field) => field === undefined || isText(field), "text");
  }
  const unknown = Object.keys(fields);
  if (unknown.length > 0) throw fail(`${unknown.join(", ")} is not a field of a record`);
  return value as BenchRecord;
}

/** Name of the results file of an adapter, such as `llvmpipe-llvm-15-0-6-256-bits.jsonl`. */
export function resultsFileName(adapter: string): string {
  return `${adapter.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "")}.jsonl`;
}

/** Appends records to the file of their adapter in `folder`, which is made if need be; resolves to the path. */
export async function appendRecords(
  folder: string,
  environment: Environment,
  measurements: readonly Measurement[],
): Promise<string> {
  const lines = measurements.map((measurement) => {
    const line = JSON.stringify({ ...environment, ...measurement });
    parseRecord(line);
    return `${line}\n`;
  });
  await mkdir(folder, { recursive: true });
  const path = join(folder, resultsFileName(environment.adapter));
  await appendFile(path, lines.join(""));
  return path;
}
