/** Attacks through `config.json`: sizes that no machine could hold, and texts that two readers could read differently. */
import { parseConfig } from "../../../src/checkpoint/config.ts";
import { makeTinyFiles } from "../../support/tiny_checkpoint.ts";
import type { Attack } from "./attack.ts";

/** A valid configuration with some fields replaced; undefined leaves one out. */
function changed(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...JSON.parse(makeTinyFiles().config), ...changes });
}

const sizes: readonly [when: string, changes: Readonly<Record<string, unknown>>, message: string][] = [
  ["vocab_size is 2^31", { vocab_size: 2 ** 31 }, "vocab_size = 2147483648"],
  ["vocab_size is 2^53", { vocab_size: 2 ** 53 }, "vocab_size = 9007199254740992"],
  ["vocab_size is 1e308", { vocab_size: 1e308 }, "vocab_size = 1e+308"],
  ["vocab_size is negative", { vocab_size: -1 }, "vocab_size = -1"],
  ["vocab_size is 0", { vocab_size: 0 }, "vocab_size = 0"],
  ["num_hidden_layers is 10,001", { num_hidden_layers: 10_001 }, "num_hidden_layers = 10001"],
  ["head_dim is 2^20", { head_dim: 2 ** 20 }, "head_dim = 1048576"],
  ["hidden_size is 2^40", { hidden_size: 2 ** 40 }, "hidden_size = 1099511627776"],
  [
    "the embedding takes 8 TB",
    { vocab_size: 2 ** 31 - 2, hidden_size: 2 ** 11 },
    "vocab_size * hidden_size = 4398046507008, which takes 8796093014016 bytes or more",
  ],
  [
    "a projection takes 16 TB",
    { intermediate_size: 2 ** 31 - 2, hidden_size: 2 ** 12 },
    "intermediate_size * hidden_size = 8796093014016, which takes 17592186028032 bytes or more",
  ],
  [
    "the heads take 4 TB",
    { num_attention_heads: 2 ** 21, num_key_value_heads: 1, head_dim: 2 ** 8, hidden_size: 2 ** 12 },
    "num_attention_heads * head_dim * hidden_size = 2199023255552, which takes 4398046511104 bytes or more",
  ],
  [
    "all layers together take more than any machine has",
    { num_hidden_layers: 10_000, intermediate_size: 2 ** 20, hidden_size: 2 ** 15 },
    "num_hidden_layers * elements of a layer",
  ],
  ["max_position_embeddings is 1e300", { max_position_embeddings: 1e300 }, "max_position_embeddings = 1e+300"],
  ["rms_norm_eps is 0", { rms_norm_eps: 0 }, "rms_norm_eps = 0"],
  ["a field nobody knows is there", { residual_multiplier: 2 }, "residual_multiplier = 2 is not known"],
  ["code is to be run", { auto_map: undefined, quantization_config: { quant_method: "x" } }, "quantization_config"],
];

const texts: readonly [when: string, text: string | Uint8Array, message: string][] = [
  ["a size is written twice", changed({}).replace("{", '{"hidden_size":64,'), '"hidden_size" occurs twice'],
  ["a size is written twice in different spelling", changed({}).replace("{", '{"hidden\\u005fsize":64,'), "twice"],
  ["it is nested a million deep", `{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}`, "nested deeper than 64"],
  ["it is empty", "", "Cannot parse config.json"],
  ["it is a list", "[]", "expected a JSON object"],
  ["it is not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), "Cannot parse config.json"],
  ["it begins with a byte order mark", "\ufeff{}", "Cannot parse config.json"],
  ["it has a comment", '{"a":1/*x*/}', "Cannot parse config.json"],
];

export const configAttacks: readonly Attack[] = [
  ...sizes.map(([when, changes, message]) => ({
    name: `parseConfig() throws when ${when}`,
    // deno-lint-ignore require-await
    attempt: async () => parseConfig(changed(changes)),
    error: RangeError,
    message,
  })),
  ...texts.map(([when, text, message]) => ({
    name: `parseConfig() throws when ${when}`,
    // deno-lint-ignore require-await
    attempt: async () => parseConfig(text),
    error: SyntaxError,
    message,
  })),
];
