/** Where results come from: written into every file of a run. */
import { dictionary, integer, optional, record, type Schema, text } from "./schema.ts";

/** What was measured, with which versions. */
export interface Provenance {
  /** The model as it was named, such as a folder. */
  readonly model: string;
  /** The task as it was named. */
  readonly task: string;
  /** Where its rows came from, such as `org/name@commit`; absent where the task file itself names local files. */
  readonly data?: string;
  /**
   * sha256 of the local files that the rows are in, so that a changed one is noticed; absent where there are none.
   */
  readonly dataSha256?: string;
  /** Worked examples before each question, where they were not the task's own number. */
  readonly fewshot?: number;
  /** The chat template its prompts went through, such as `chat_template.jinja`; absent where they are plain text. */
  readonly chatTemplate?: string;
  /** The system prompt in front of everything; absent where there is none. */
  readonly systemPrompt?: string;
  /** The tokens that prompts were cut to where they had more; absent where that was not asked for. */
  readonly truncated?: number;
  /** Fingerprint of the model's weights, so that another model is noticed, a pruned copy among them. */
  readonly weights?: string;
  /** Versions of the software, such as `{ secateur: "0.1.0" }`. */
  readonly versions: Readonly<Record<string, string>>;
  /**
   * Digest of the examples that a file's numbers come from, as the model reads them; absent where a file has several.
   */
  readonly examples?: string;
}

/** Reads a provenance. */
export const provenanceSchema: Schema<Provenance> = record({
  model: text,
  task: text,
  data: optional(text),
  dataSha256: optional(text),
  fewshot: optional(integer),
  chatTemplate: optional(text),
  systemPrompt: optional(text),
  truncated: optional(integer),
  weights: optional(text),
  versions: dictionary(text),
  examples: optional(text),
});
