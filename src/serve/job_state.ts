/** Where a job stands: what its folder says in `state.json`, and what callers are told. */
import type { Progress } from "../engine/engine.ts";
import { formatJson, type Jsonable } from "../method/json.ts";
import { type Infer, integer, nullable, oneOf, parseDocument, record, text } from "../method/schema.ts";

const format = "secateur-job";
const version = 1;

/** States that a job leaves again. */
export const activeStates = ["queued", "running", "stopping"] as const;
/** States that a job ends in. */
export const finalStates = ["done", "failed", "cancelled"] as const;
/** Every state. */
export const jobStates = [...activeStates, ...finalStates] as const;

/** A state of a job. */
export type JobState = typeof jobStates[number];

const stateSchema = record({
  format: oneOf(format),
  version: oneOf(version),
  id: text,
  state: oneOf(...jobStates),
  /** As in the request. */
  model: text,
  /** As the task names itself. */
  task: text,
  /** ISO 8601. */
  createdAt: text,
  startedAt: nullable(text),
  finishedAt: nullable(text),
  /** How often the job was started. */
  attempts: integer,
  /** How often it was started since a result file last appeared. */
  fruitless: integer,
  /** Files of results, and of pieces of them, that it had when it was last started. */
  files: integer,
  /** Why it failed. */
  error: nullable(text),
});

/** The content of `state.json`. */
export type SavedState = Infer<typeof stateSchema>;

/** A new job's state. */
export function newState(job: { readonly id: string; readonly model: string; readonly task: string }): SavedState {
  const createdAt = new Date().toISOString();
  return {
    format,
    version,
    state: "queued",
    createdAt,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    fruitless: 0,
    files: 0,
    error: null,
    ...job,
  };
}

/** A state as the text of `state.json`. */
export function serialiseState(state: SavedState): string {
  return formatJson(state as unknown as Jsonable);
}

/**
 * Reads the text of a `state.json`.
 *
 * @throws {SyntaxError} If it is no such file.
 */
export function parseState(what: string, content: string | Uint8Array): SavedState {
  return parseDocument(what, content, stateSchema);
}

/** Whether a job has ended. */
export function isFinal(state: JobState): boolean {
  return (finalStates as readonly string[]).includes(state);
}

/** What callers are told about a job. */
export interface JobView {
  readonly id: string;
  readonly state: JobState;
  readonly model: string;
  readonly task: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly attempts: number;
  readonly error: string | null;
  /** Jobs that run before this one; null unless it waits. */
  readonly ahead: number | null;
  /** The latest step; null where there was none. */
  readonly progress: Progress | null;
}
