/** A digest of examples: what tells numbers that were measured on other rows, or other prompts, from one's own. */
import { hashOf } from "../checkpoint/tensor_store.ts";
import type { Example } from "../tasks/example.ts";

/** Digest of examples as the model reads them: ids, tokens and right choices, in their order. */
export function digestExamples(examples: readonly Example[]): string {
  return hashOf(
    JSON.stringify(examples, (_, value) => ArrayBuffer.isView(value) ? Array.from(value as Uint32Array) : value),
  );
}
