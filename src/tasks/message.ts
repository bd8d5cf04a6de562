/** The parts of a prompt: who says what. As plain text they follow each other; a chat template makes turns of them. */

/** One part of a prompt. */
export interface Message {
  /** Who says it. */
  readonly role: "system" | "user" | "assistant";
  /** What is said. */
  readonly content: string;
  /** What follows in plain text; a chat template puts its own marks there. */
  readonly delimiter: string;
}

/** The messages as plain text. */
export function messagesText(messages: readonly Message[]): string {
  return messages.map(({ content, delimiter }) => content + delimiter).join("");
}
