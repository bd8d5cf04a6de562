/** Where results come from: written into every file of a run. */
import { dictionary, optional, record, type Schema, text } from "./schema.ts";

/** What was measured, with which versions. */
export interface Provenance {
  /** The model as it was named, such as a folder. */
  readonly model: string;
  /** The task as it was named. */
  readonly task: string;
  /** Where its rows came from, such as `org/name@commit`; absent where the task file itself names local files. */
  readonly data?: string;
  /** The chat template its prompts went through, such as `chat_template.jinja`; absent where they are plain text. */
  readonly chatTemplate?: string;
  /** The system prompt in front of everything; absent where there is none. */
  readonly systemPrompt?: string;
  /** Versions of the software, such as `{ secateur: "0.1.0" }`. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Reads a provenance. */
export const provenanceSchema: Schema<Provenance> = record({
  model: text,
  task: text,
  data: optional(text),
  chatTemplate: optional(text),
  systemPrompt: optional(text),
  versions: dictionary(text),
});
