/** From the parts of a prompt to a request: plain text, or the turns of a chat. */
import type { ChatTemplate } from "./chat_template.ts";
import type { Row } from "./dataset.ts";
import type { ChoiceRequest } from "./example_builder.ts";
import { type Message, messagesText } from "./message.ts";
import { meetsSpace, type Prompt, readText } from "./prompt.ts";
import { isPythonSpace } from "./python_value.ts";
import type { PromptSettings, TaskConfig } from "./task_config.ts";

/** How the parts of a prompt become one text, for every task alike. */
export interface PromptFrame {
  /** Makes turns of a chat of system prompt, few-shot examples and question; without it they are one plain text. */
  readonly chatTemplate?: ChatTemplate;
  /** Goes in front of everything, before the task's description. */
  readonly systemPrompt?: string;
}

/** One row with what is needed to ask it. */
export interface RequestParts {
  readonly row: Row;
  /** Every column of the row's split. */
  readonly columns: ReadonlySet<string>;
  readonly prompt: Prompt;
  /** Questions and answers of the few-shot examples. */
  readonly worked: readonly Message[];
}

/** System prompt and description; the few-shot delimiter goes between them. */
function systemText(
  { description, prompt }: Pick<TaskConfig, "description" | "prompt">,
  { systemPrompt = "" }: PromptFrame,
  { row, columns }: RequestParts,
): string {
  const own = description === null ? "" : readText(description, row, columns);
  return systemPrompt + (meetsSpace(systemPrompt, own) ? "" : prompt.fewshotDelimiter) + own;
}

/** In a chat the answer has a turn of its own: a delimiter only follows text that the turn begins with. */
function answerDelimiter({ genPrefix, targetDelimiter }: PromptSettings, { chatTemplate }: PromptFrame): string {
  if (chatTemplate === undefined) return targetDelimiter;
  const follows = genPrefix !== null && genPrefix.text !== "" && !isPythonSpace(genPrefix.text.at(-1)!);
  return follows ? targetDelimiter : "";
}

/**
 * Composes the request of a row as lm-evaluation-harness does.
 *
 * @throws {RangeError} If the row does not fit the task, or the chat template fails.
 */
export function composeRequest(
  config: Pick<TaskConfig, "description" | "prompt" | "furtherMetrics">,
  frame: PromptFrame,
  parts: RequestParts,
): ChoiceRequest {
  const { row, prompt, worked } = parts;
  const system = systemText(config, frame, parts);
  const before: Message[] = [
    ...(system === "" ? [] : [{ role: "system", content: system, delimiter: "" } as const]),
    ...worked,
  ];
  const { turns, answers, choices, golds } = prompt.ask(row);
  const contexts = turns.map((turn) => {
    const messages = [...before, ...turn];
    return frame.chatTemplate ? frame.chatTemplate.render(messages) : messagesText(messages);
  });
  const delimiter = answerDelimiter(prompt.settings, frame);
  const [gold] = golds;
  return {
    id: row.id,
    context: contexts.length === 1 ? contexts[0] : contexts[gold],
    ...(contexts.length > 1 && { contexts }),
    continuations: answers.map((answer) => delimiter + answer),
    choices,
    gold,
    ...(golds.length > 1 && { golds }),
    ...(config.furtherMetrics.includes("acc_mutual_info") && {
      unconditional: choices.map((choice) => delimiter + choice),
    }),
  };
}
