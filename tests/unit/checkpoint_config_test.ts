import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertIsError,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { parseConfig } from "../../src/checkpoint/config.ts";
import { FAMILIES } from "../../src/checkpoint/families.ts";
import type { ModelConfig } from "../../src/checkpoint/model_config.ts";
import { GOLDEN_NAMES, goldenFolder, type GoldenName } from "../support/golden.ts";

type Config = Record<string, unknown>;

const layouts = ["config.json", "config.v5.json"] as const;

function goldenConfig(name: GoldenName, file: typeof layouts[number] = "config.json"): Config {
  return JSON.parse(readFileSync(`${goldenFolder(name)}/${file}`, "utf8"));
}

function parse(config: Config): ModelConfig {
  return parseConfig(JSON.stringify(config)).config;
}

/** The golden llama configuration with some fields changed; undefined removes one. */
function llama(changes: Config): Config {
  return { ...goldenConfig("llama_tied_f32"), ...changes };
}

/** The golden granite configuration with some fields changed; undefined removes one. */
function granite(changes: Config): Config {
  return { ...goldenConfig("granite_tied_bf16"), ...changes };
}

for (const name of GOLDEN_NAMES) {
  Deno.test(`parseConfig() reads the same from both layouts when the file is that of ${name}`, () => {
    assertEquals(parse(goldenConfig(name, "config.v5.json")), parse(goldenConfig(name)));
  });
}

Deno.test("parseConfig() gives the sizes, windows and weights of the fused family when the file is phi3's", () => {
  const { config, tensors } = parseConfig(JSON.stringify(goldenConfig("phi3_bf16")));
  const { width, neurons, layers, queryHeads, keyValueHeads, headWidth, vocabularySize, slidingWindow, maxPositions } =
    config;
  assertEquals([width, neurons, layers, queryHeads, keyValueHeads, headWidth, vocabularySize], [
    72,
    109,
    3,
    6,
    2,
    12,
    211,
  ]);
  assertEquals([...slidingWindow, maxPositions], [2047, 2047, 2047, 512]);
  const { q, k, v, gate, up, qkvBias, qkNorm } = config.layerWeights[2];
  assertEquals([qkvBias, qkNorm], [undefined, undefined]);
  const qkv = "model.layers.2.self_attn.qkv_proj.weight";
  assertEquals([q, k, v], [
    { name: qkv, rowStart: 0, rows: 72, columns: 72 },
    { name: qkv, rowStart: 72, rows: 24, columns: 72 },
    { name: qkv, rowStart: 96, rows: 24, columns: 72 },
  ]);
  const gateUp = "model.layers.2.mlp.gate_up_proj.weight";
  assertEquals([gate, up], [
    { name: gateUp, rowStart: 0, rows: 109, columns: 72 },
    { name: gateUp, rowStart: 109, rows: 109, columns: 72 },
  ]);
  assertEquals([...tensors.get(qkv)!], [120, 72]);
  assertEquals([...tensors.get(gateUp)!], [218, 72]);
  assertEquals(tensors.size, 3 + 3 * 6);
});

Deno.test("parseConfig() gives biases to qwen2 and head norms to qwen3", () => {
  const biases = parse(goldenConfig("qwen2_tied_f16")).layerWeights[1].qkvBias;
  assertEquals(biases?.k, { name: "model.layers.1.self_attn.k_proj.bias", rowStart: 0, rows: 24, columns: 1 });
  const norms = parse(goldenConfig("qwen3_tied_bf16")).layerWeights[1].qkNorm;
  assertEquals(norms?.q, { name: "model.layers.1.self_attn.q_norm.weight", rowStart: 0, rows: 24, columns: 1 });
});

Deno.test("parseConfig() rotates part of a head when phi3 asks for it, in both layouts", () => {
  const older = goldenConfig("phi3_bf16");
  const newer = goldenConfig("phi3_bf16", "config.v5.json");
  const inside = { ...newer.rope_parameters as Config, partial_rotary_factor: 0.5 };
  const frequencies = (config: Config) => [...parse(config).rope.inverseFrequencies];
  const expected = Array.from({ length: 3 }, (_, i) => 1 / 10_000 ** (i / 3));
  assertEquals(frequencies({ ...older, partial_rotary_factor: 0.5 }), expected);
  assertEquals(frequencies({ ...newer, rope_parameters: inside, partial_rotary_factor: undefined }), expected);
  assertThrows(() => parse({ ...older, partial_rotary_factor: 0.25 }), RangeError, "an even part of the head width 12");
  assertThrows(() => parse({ ...older, partial_rotary_factor: 1.5 }), RangeError, "partial_rotary_factor = 1.5");
  const both = { ...newer, rope_parameters: inside, partial_rotary_factor: 0.75 };
  assertThrows(() => parse(both), RangeError, "partial_rotary_factor = 0.75 is not supported, expected 0.5");
});

Deno.test("parseConfig() gives granite its factors, and 1 where they are left out", () => {
  const { multipliers } = parse(goldenConfig("granite_tied_bf16"));
  assertEquals(multipliers, { embedding: 6, attention: 0.15625, residual: 0.22, logits: 1 / 3 });
  const none = { embedding_multiplier: undefined, attention_multiplier: undefined, residual_multiplier: null };
  assertEquals(parse(granite({ ...none, logits_scaling: undefined })).multipliers, {
    embedding: 1,
    attention: 1,
    residual: 1,
    logits: 1,
  });
  assertEquals(parse(llama({})).multipliers, { embedding: 1, attention: 1 / 4, residual: 1, logits: 1 });
});

Deno.test("parseConfig() takes the embedding as head when tied, and lm_head when not", () => {
  const tied = parse(llama({}));
  assertEquals(tied.head, tied.embedding);
  assertEquals(parse(llama({ tie_word_embeddings: false })).head.name, "lm_head.weight");
  assertEquals(parse(llama({ tie_word_embeddings: null })).tiedHead, false);
});

/** Fields of the golden files whose value does not reach the logits of a prompt. */
const inert = new Set([
  "attention_dropout",
  "bos_token_id",
  "dtype",
  "embd_pdrop",
  "eos_token_id",
  "initializer_range",
  "pad_token_id",
  "resid_pdrop",
  "torch_dtype",
  "transformers_version",
  "use_cache",
]);

/** Fields that have no effect in a golden file because another one switches them off. */
const switchedOff: Readonly<Record<string, readonly string[]>> = {
  qwen2: ["sliding_window", "max_window_layers"],
  qwen3: ["sliding_window", "max_window_layers"],
  phi3: ["original_max_position_embeddings"],
  smollm3: ["max_window_layers", "pretraining_tp"],
};

/** Other values for a field, of its type and of other types. */
function mutations(value: unknown): { same: unknown[]; other: unknown[] } {
  if (typeof value === "number") {
    return {
      same: [value + 1, value * 2, value / 2, value * 16, -value - 1, 0],
      other: [String(value), [value], true],
    };
  }
  if (typeof value === "boolean") return { same: [!value], other: [2, "yes"] };
  if (typeof value === "string") return { same: [value + "x", ""], other: [1, ["x"]] };
  if (Array.isArray(value)) return { same: [["x"], [...value, "x"], value.map(() => "x")], other: ["x", 1] };
  return { same: [], other: [true, "x"] };
}

/** Every field of a configuration by its path, such as `rope_scaling.factor`: at the top and in the objects inside. */
function paths(config: Config, prefix = ""): string[] {
  return Object.entries(config).flatMap(([field, value]) => [
    `${prefix}${field}`,
    ...(isObject(value) ? paths(value, `${prefix}${field}.`) : []),
  ]);
}

function isObject(value: unknown): value is Config {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every copy of a configuration with one field changed, at the top or in an object inside. */
function* changes(
  config: Config,
  prefix = "",
): Generator<{ field: string; path: string; changed: Config; ofOtherType: boolean }> {
  for (const [field, value] of Object.entries(config)) {
    const path = `${prefix}${field}`;
    if (isObject(value)) {
      for (const inner of changes(value, `${path}.`)) {
        yield { ...inner, changed: { ...config, [field]: inner.changed } };
      }
    }
    const { same, other } = mutations(value);
    for (const one of same) yield { field, path, changed: { ...config, [field]: one }, ofOtherType: false };
    for (const one of other) yield { field, path, changed: { ...config, [field]: one }, ofOtherType: true };
  }
}

/**
 * What became of a change: refused by an error (which must say `named`), seen in the configuration, or without effect.
 */
function outcome(changed: Config, original: ModelConfig, named: string): "refused" | "seen" | "ignored" {
  try {
    return JSON.stringify(show(parse(changed))) === JSON.stringify(show(original)) ? "ignored" : "seen";
  } catch (error) {
    assertIsError(error);
    assert(/^(RangeError|TypeError)$/.test(error.name), String(error));
    assertStringIncludes(error.message, "Cannot use config.json");
    assertStringIncludes(error.message, named);
    return "refused";
  }
}

for (const name of GOLDEN_NAMES) {
  for (const file of layouts) {
    Deno.test(`parseConfig() notices a change when it is in any field of ${name}/${file} that matters`, () => {
      const config = goldenConfig(name, file);
      const original = parse(config);
      const ignorable = new Set([...inert, ...switchedOff[original.family] ?? []]);
      const outcomes = new Map<string, Set<string>>();
      for (const { field, path, changed, ofOtherType } of changes(config)) {
        if (field === "architectures" && keepsArchitecture(changed, config)) continue;
        const result = outcome(changed, original, ofOtherType ? field : "");
        outcomes.set(path, (outcomes.get(path) ?? new Set()).add(result));
        if (ignorable.has(field)) assert(result !== "seen", `${field} is taken to be without effect`);
        else if (ofOtherType) assertEquals(result, "refused", field);
      }
      const overlooked = [...outcomes].filter(([path, results]) =>
        !ignorable.has(path.split(".").at(-1)!) && !results.has("refused") && !results.has("seen")
      );
      assertEquals(overlooked, []);
      assertEquals([...outcomes.keys()].sort(), paths(config).sort());
    });
  }
}

function keepsArchitecture(changed: Config, config: Config): boolean {
  const [expected] = config.architectures as string[];
  return Array.isArray(changed.architectures) && changed.architectures.includes(expected);
}

/** A configuration with its typed arrays as lists, so that it can be compared as text. */
function show(config: ModelConfig): unknown {
  return { ...config, rope: { ...config.rope, inverseFrequencies: [...config.rope.inverseFrequencies] } };
}

const refused: readonly [when: string, config: Config, message: string][] = [
  ["attention_bias is true", llama({ attention_bias: true }), "attention_bias = true is not supported, expected false"],
  ["mlp_bias is true", llama({ mlp_bias: true }), "mlp_bias = true"],
  ["hidden_act is gelu", llama({ hidden_act: "gelu" }), 'hidden_act = "gelu" is not supported, expected "silu"'],
  ["pretraining_tp is 2", llama({ pretraining_tp: 2 }), "pretraining_tp = 2"],
  [
    "weights are quantised",
    llama({ quantization_config: { quant_method: "gptq" } }),
    "expected none: weights in BF16, F16 or F32",
  ],
  ["only part of a head is rotated", llama({ partial_rotary_factor: 0.5 }), "partial_rotary_factor = 0.5"],
  ["heads were pruned", llama({ pruned_heads: { "1": [0] } }), "pruned_heads"],
  ["the model is an encoder-decoder", llama({ is_encoder_decoder: true }), "is_encoder_decoder = true"],
  ["there are experts", llama({ num_local_experts: 8 }), "num_local_experts = 8 is not known"],
  ["logits are scaled", llama({ logit_scale: 0.1 }), "logit_scale = 0.1 is not known"],
  ["llama has a window", llama({ sliding_window: 64 }), "sliding_window = 64"],
  [
    "the family is unknown",
    llama({ model_type: "mixtral" }),
    'model_type = "mixtral" is not supported, expected llama, ',
  ],
  [
    "the family is a mixture of experts",
    llama({ model_type: "qwen3_moe" }),
    "smollm3; its feed-forward blocks are mixtures",
  ],
  ["the family has GeGLU", llama({ model_type: "gemma2" }), "smollm3; its feed-forward blocks are GeGLU"],
  ["the norms follow the blocks", llama({ model_type: "olmo2" }), "smollm3; its norms follow the blocks"],
  [
    "a factor belongs to another family",
    llama({ residual_multiplier: 0.22 }),
    "the field residual_multiplier = 0.22 is not known",
  ],
  [
    "a factor is beyond reason",
    granite({ embedding_multiplier: 1e6 }),
    "embedding_multiplier = 1000000 is not supported, expected 0.0000152587890625 to 65536",
  ],
  ["a factor is 0", granite({ residual_multiplier: 0 }), "residual_multiplier = 0"],
  ["a factor is negative", granite({ logits_scaling: -8 }), "logits_scaling = -8"],
  ["the family is not named", llama({ model_type: undefined }), "the field model_type is missing"],
  ["the architecture is another", llama({ architectures: ["LlamaForSequenceClassification"] }), "LlamaForCausalLM"],
  ["a size is missing", llama({ hidden_size: undefined }), "the field hidden_size is missing"],
  ["a size is null", llama({ intermediate_size: null }), "the field intermediate_size is missing"],
  ["the width is odd", llama({ hidden_size: 65, head_dim: 16 }), "hidden_size = 65"],
  ["the head width is odd", llama({ head_dim: 15 }), "head_dim = 15"],
  ["the head width is no multiple of 4", llama({ head_dim: 18 }), "head_dim = 18"],
  ["the derived head width is no multiple of 4", llama({ num_attention_heads: 32 }), "num_attention_heads = 32"],
  ["the width is no multiple of the heads", llama({ num_attention_heads: 6 }), "num_attention_heads = 6"],
  ["heads do not divide into groups", llama({ num_key_value_heads: 3 }), "num_key_value_heads = 3"],
  ["the vocabulary is absurd", llama({ vocab_size: 2 ** 35 }), "vocab_size"],
  ["the embedding is absurd", llama({ vocab_size: 2 ** 31 - 1, hidden_size: 2 ** 12 }), "vocab_size * hidden_size"],
  [
    "a projection is absurd",
    llama({ intermediate_size: 2 ** 31 - 1, hidden_size: 2 ** 12 }),
    "intermediate_size * hidden",
  ],
  ["there are absurdly many layers", llama({ num_hidden_layers: 2 ** 30 }), "num_hidden_layers = 1073741824"],
  ["the head is absurdly wide", llama({ head_dim: 2 ** 17 }), "head_dim"],
  ["epsilon is above 1", llama({ rms_norm_eps: 2 }), "rms_norm_eps = 2"],
  ["theta is 0", llama({ rope_theta: 0 }), "rope_theta = 0"],
  [
    "the scaling is yarn without a factor",
    llama({ rope_scaling: { rope_type: "yarn", original_max_position_embeddings: 64 } }),
    "rope_scaling.factor is missing",
  ],
  [
    "yarn turns nothing",
    llama({ rope_theta: 1, rope_scaling: { type: "yarn", factor: 4 } }),
    "rope_theta is not supported, expected more than 1 (here 1)",
  ],
  [
    "yarn has an attention factor of 0",
    llama({ rope_scaling: { type: "yarn", factor: 4, attention_factor: 0 } }),
    "attention_factor = 0",
  ],
  [
    "yarn has a field that the class has not",
    llama({ rope_scaling: { type: "yarn", factor: 4, llama_4_scaling_beta: 0.1 } }),
    "rope_scaling.llama_4_scaling_beta = 0.1 is not known",
  ],
  [
    "phi3 has yarn",
    { ...goldenConfig("phi3_bf16"), rope_scaling: { type: "yarn", factor: 4 } },
    'rope_scaling.type = "yarn" is not supported, expected default or longrope',
  ],
  ["the scaling is dynamic", llama({ rope_scaling: { type: "dynamic", factor: 2 } }), 'rope_scaling.type = "dynamic"'],
  ["the scaling lacks its factor", llama({ rope_scaling: { type: "linear" } }), "rope_scaling.factor is missing"],
  [
    "the scaling has a field that its type does not",
    llama({ rope_scaling: { rope_type: "linear", factor: 2, beta_fast: 32 } }),
    "rope_scaling.beta_fast = 32 is not known",
  ],
  [
    "the scaling has two types",
    llama({ rope_scaling: { rope_type: "linear", type: "dynamic", factor: 2 } }),
    'rope_scaling.type = "dynamic"',
  ],
  [
    "both layouts are there",
    llama({ rope_parameters: { rope_type: "default", rope_theta: 1e4 } }),
    "only one of rope_scaling and rope_parameters",
  ],
  [
    "theta is given twice",
    llama({ rope_scaling: null, rope_parameters: { rope_type: "default", rope_theta: 5e5 } }),
    "rope_theta = 10000 is not supported, expected 500000",
  ],
  [
    "rotary parameters differ by layer type",
    llama({ rope_scaling: null, rope_parameters: { full_attention: { rope_theta: 1e4 } } }),
    "rope_parameters.full_attention",
  ],
  [
    "the rotary parameters rotate only part of a head",
    llama({
      rope_scaling: null,
      rope_parameters: { rope_type: "default", rope_theta: 1e4, partial_rotary_factor: 0.75 },
    }),
    "rope_parameters.partial_rotary_factor = 0.75",
  ],
  ["layer types are those of a window", llama({ layer_types: Array(3).fill("sliding_attention") }), "layer_types"],
  [
    "layer types are too few",
    llama({ layer_types: ["full_attention"] }),
    "3 entries that agree with sliding_window: full_attention",
  ],
];

for (const [when, config, message] of refused) {
  Deno.test(`parseConfig() throws when ${when}`, () => {
    assertThrows(() => parse(config), RangeError, message);
  });
}

Deno.test("parseConfig() throws when a field has the wrong type", () => {
  for (
    const field of ["hidden_size", "rms_norm_eps", "tie_word_embeddings", "model_type", "rope_scaling", "architectures"]
  ) {
    const value = field === "model_type" ? 3 : "3";
    assertThrows(() => parse(llama({ [field]: value })), TypeError, field);
  }
});

Deno.test("parseConfig() throws when a field occurs twice or the text is no object", () => {
  assertThrows(
    () => parseConfig('{"model_type":"llama","model_type":"qwen2"}'),
    SyntaxError,
    '"model_type" occurs twice',
  );
  assertThrows(() => parseConfig("[]"), SyntaxError, "expected a JSON object");
});

Deno.test("parseConfig() names the field when it is any unknown one, and lists what is understood", () => {
  const name = fc.stringMatching(/^[a-z_]{3,20}$/);
  fc.assert(
    fc.property(name, fc.oneof(fc.boolean(), fc.integer(), fc.string()), (field, value) => {
      const error = assertThrows(
        () => parse(llama({ [`zz_${field}`]: value })),
        RangeError,
        `the field zz_${field} = `,
      );
      assertStringIncludes(error.message, "hidden_size");
    }),
    { seed: 3, numRuns: 50 },
  );
});

Deno.test("parseConfig() accepts an unknown field when it is null", () => {
  assertEquals(parse(llama({ quantization_config: null, num_local_experts: null })), parse(llama({})));
});

Deno.test("parseConfig() accepts fields of other families where they say what is so, and only then", () => {
  for (const name of GOLDEN_NAMES) {
    const config = goldenConfig(name);
    const hasBiases = config.model_type === "qwen2";
    for (const field of [{ mlp_bias: false }, { pretraining_tp: 1 }, { attention_bias: hasBiases }]) {
      assertEquals(show(parse({ ...config, ...field })), show(parse(config)));
    }
    // The files of SmolLM3 say 2, and its class does not look at it.
    const divided = config.model_type === "smollm3" ? [] : [{ pretraining_tp: 2 }];
    for (const field of [{ mlp_bias: true }, ...divided, { attention_bias: !hasBiases }]) {
      assertThrows(() => parse({ ...config, ...field }), RangeError, Object.keys(field)[0]);
    }
  }
});

Deno.test("parseConfig() assumes what transformers assumes when fields are left out", () => {
  const bare = {
    model_type: "llama",
    hidden_size: 64,
    intermediate_size: 100,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    vocab_size: 10,
  };
  const config = parse(bare);
  assertEquals([config.keyValueHeads, config.headWidth, config.normEpsilon, config.maxPositions], [4, 16, 1e-6, 2048]);
  assertEquals([...config.rope.inverseFrequencies], Array.from({ length: 8 }, (_, i) => 1 / 10_000 ** (i / 8)));
  assertEquals(config.tiedHead, false);
  assertEquals(parse({ ...bare, model_type: "mistral", num_attention_heads: 16 }).keyValueHeads, 8);
  assertEquals(parse({ ...bare, model_type: "mistral", num_key_value_heads: null }).keyValueHeads, 4);
  assertEquals(parse({ ...bare, model_type: "mistral", num_key_value_heads: 2 }).slidingWindow, [4096, 4096]);
  assertEquals(parse({ ...bare, model_type: "qwen3", num_key_value_heads: 2 }).headWidth, 128);
  assertEquals(parse({ ...bare, model_type: "phi3" }).slidingWindow, [null, null]);
  assertEquals(parse({ ...bare, model_type: "phi3" }).normEpsilon, 1e-5);
  const smollm = parse({ ...bare, model_type: "smollm3", num_hidden_layers: 9, num_attention_heads: 8 });
  assertEquals([smollm.keyValueHeads, smollm.maxPositions, smollm.tiedHead], [4, 32_768, true]);
  assertEquals([...smollm.rope.inverseFrequencies], Array.from({ length: 4 }, (_, i) => 1 / 2e6 ** (i / 4)));
  assertEquals(smollm.rotated, [true, true, true, false, true, true, true, false, true]);
  assertEquals(smollm.slidingWindow, new Array(9).fill(null));
  assertEquals(
    parse({ ...bare, model_type: "smollm3", num_key_value_heads: 4, tie_word_embeddings: null }).tiedHead,
    false,
  );
});

Deno.test("parseConfig() leaves unrotated the layers that smollm3 names", () => {
  const smollm = (changes: Config) => parse({ ...goldenConfig("smollm3_tied_bf16"), layer_types: null, ...changes });
  const rotated = (changes: Config) => smollm(changes).rotated;
  assertEquals(rotated({}), [true, false, true, false]);
  assertEquals(rotated({ no_rope_layers: [0, 0, 0, 1, 0, 1] }), [false, false, false, true]);
  const byInterval = { no_rope_layers: null, no_rope_layer_interval: 3 };
  assertEquals(rotated(byInterval), [true, true, false, true]);
  assertEquals(rotated({ ...byInterval, no_rope_layer_interval: 1 }), [false, false, false, false]);
  assertEquals(rotated({ ...byInterval, no_rope_layer_interval: null }), [true, true, true, false]);
  assertThrows(() => rotated({ no_rope_layers: [1, 1, 0] }), RangeError, "4 entries, each 1 (rotated) or 0");
  assertThrows(() => rotated({ no_rope_layers: [1, 1, 0, 2] }), RangeError, "4 entries, each 1 (rotated) or 0");
  assertThrows(() => rotated({ no_rope_layers: [1, 1, 0, true] }), RangeError, "no_rope_layers");
  assertThrows(() => rotated({ no_rope_layer_interval: 0 }), RangeError, "no_rope_layer_interval = 0");
  assertThrows(() => parse(llama({ no_rope_layers: [1, 1, 0] })), RangeError, "no_rope_layers = [1,1,0] is not known");
  assertEquals(parse(llama({})).rotated, [true, true, true]);
});

Deno.test("parseConfig() gives a window to the layers that the family's rule names", () => {
  const qwen = (changes: Config) => parse({ ...goldenConfig("qwen2_tied_f16"), ...changes }).slidingWindow;
  assertEquals(qwen({}), [null, null, null, null]);
  assertEquals(qwen({ use_sliding_window: true }), [null, null, null, 16]);
  assertEquals(qwen({ use_sliding_window: true, max_window_layers: 0 }), [16, 16, 16, 16]);
  assertEquals(qwen({ use_sliding_window: true, max_window_layers: 9 }), [null, null, null, null]);
  assertEquals(qwen({ use_sliding_window: true, sliding_window: null }), [null, null, null, null]);
  const mixed = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"];
  assertEquals(qwen({ use_sliding_window: true, layer_types: mixed }), [16, null, null, 16]);
  assertThrows(() => qwen({ layer_types: mixed }), RangeError, "layer_types");
  assertThrows(
    () => qwen({ use_sliding_window: true, layer_types: mixed.with(0, "chunked_attention") }),
    RangeError,
    "chunked",
  );
  const mistral = (changes: Config) => parse({ ...goldenConfig("mistral_window_bf16"), ...changes }).slidingWindow;
  assertEquals(mistral({}), [8, 8, 8]);
  assertEquals(mistral({ sliding_window: null }), [null, null, null]);
  assertThrows(() => mistral({ sliding_window: 0 }), RangeError, "sliding_window = 0");
  assertThrows(() => mistral({ layer_types: Array(3).fill("full_attention") }), RangeError, "layer_types");
  const smollm = (changes: Config) =>
    parse({ ...goldenConfig("smollm3_tied_bf16"), layer_types: null, ...changes }).slidingWindow;
  assertEquals(smollm({}), [null, 6, null, 6]);
  assertEquals(smollm({ use_sliding_window: false }), [null, null, null, null]);
  assertEquals(smollm({ sliding_window: undefined }), [null, null, null, null]);
  assertEquals(smollm({ layer_types: mixed }), [6, null, null, 6]);
  assertThrows(() => smollm({ use_sliding_window: false, layer_types: mixed }), RangeError, "layer_types");
});

Deno.test("parseConfig() scales frequencies as linear scaling says", () => {
  const plain = parse(llama({ rope_scaling: null })).rope.inverseFrequencies;
  const scaled = parse(llama({ rope_scaling: { type: "linear", factor: 4 } })).rope;
  assertEquals([...scaled.inverseFrequencies], [...plain].map((frequency) => frequency / 4));
  assertEquals(scaled.attentionFactor, 1);
});

Deno.test("parseConfig() scales frequencies as Llama 3.1 says", () => {
  // K = 16, theta = 10,000, 64 original positions, factor 8, low 1, high 4: wavelengths 6.3, 19.9, 62.8, 198.7, ...
  const { inverseFrequencies } = parse(llama({})).rope;
  const plain = Array.from({ length: 8 }, (_, i) => 10_000 ** (-i / 8));
  assertEquals(inverseFrequencies[0], 1);
  const kept = (64 / (2 * Math.PI / plain[1]) - 1) / 3;
  assertAlmostEquals(inverseFrequencies[1], plain[1] * (kept + (1 - kept) / 8), 1e-15);
  const almostNone = (64 / (2 * Math.PI / plain[2]) - 1) / 3;
  assertAlmostEquals(inverseFrequencies[2], plain[2] * (almostNone + (1 - almostNone) / 8), 1e-16);
  assert(almostNone > 0 && almostNone < 0.01);
  for (let i = 3; i < 8; i++) assertAlmostEquals(inverseFrequencies[i], plain[i] / 8, 1e-17);
});

Deno.test("parseConfig() reads yarn in both layouts", () => {
  const yarn = { factor: 4, original_max_position_embeddings: 16, beta_fast: 4 };
  const older = parse(llama({ rope_scaling: { type: "yarn", ...yarn } }));
  const newer = { rope_theta: undefined, rope_scaling: undefined };
  const inside = { rope_type: "yarn", rope_theta: 10_000, ...yarn };
  assertEquals(parse(llama({ ...newer, rope_parameters: inside })), older);
  // Pairs turn 2.5, 0.8, 0.25 ... times in 16 tokens: the ramp goes from pair 0 to 1.
  const plain = Array.from({ length: 8 }, (_, i) => 10_000 ** (-i / 8));
  older.rope.inverseFrequencies.forEach((frequency, i) => {
    assertAlmostEquals(frequency, plain[i] / (i === 0 ? 1 : 4), 1e-15);
  });
  assertAlmostEquals(older.rope.attentionFactor, 1 + Math.log(4) / 10, 1e-15);
  assertEquals(older.maxPositions, parse(llama({})).maxPositions);
});

const longrope = {
  ...goldenConfig("phi3_bf16"),
  max_position_embeddings: 131072,
  original_max_position_embeddings: 4096,
  rope_scaling: { type: "longrope", short_factor: [1, 1.1, 1.2, 1.3, 1.4, 1.5], long_factor: [1, 2, 4, 8, 16, 32] },
};

Deno.test("parseConfig() divides by the short factors of longrope and limits the model to its original length", () => {
  const config = parse(longrope);
  assertEquals(config.maxPositions, 4096);
  // sqrt(1 + ln(32) / ln(4096))
  assertAlmostEquals(config.rope.attentionFactor, 1.1902380714238083, 1e-15);
  longrope.rope_scaling.short_factor.forEach((divisor, i) => {
    assertAlmostEquals(config.rope.inverseFrequencies[i], 1 / (divisor * 10_000 ** (i / 6)), 1e-16);
  });
  const newer = {
    ...longrope,
    rope_scaling: undefined,
    rope_theta: undefined,
    rope_parameters: {
      ...longrope.rope_scaling,
      type: undefined,
      rope_type: "longrope",
      rope_theta: 10000,
      original_max_position_embeddings: 4096,
      factor: 32,
    },
  };
  assertEquals(parse(newer), config);
  assertEquals(parse({ ...longrope, rope_scaling: { ...longrope.rope_scaling, type: "su" } }), config);
  const factor = { ...longrope.rope_scaling, attention_factor: 1.5 };
  assertEquals(parse({ ...longrope, rope_scaling: factor }).rope.attentionFactor, 1.5);
  const short = { ...longrope, max_position_embeddings: 2048 };
  assertEquals([parse(short).rope.attentionFactor, parse(short).maxPositions], [1, 2048]);
});

Deno.test("parseConfig() throws when the fields of longrope do not fit the model", () => {
  const scaling = (changes: Config) => ({ ...longrope, rope_scaling: { ...longrope.rope_scaling, ...changes } });
  assertThrows(() => parse(scaling({ short_factor: [1, 1, 1] })), RangeError, "short_factor");
  assertThrows(() => parse(scaling({ long_factor: [1, 1, 1, 1, 1, 0] })), RangeError, "long_factor");
  assertThrows(() => parse(scaling({ factor: 16 })), RangeError, "factor = 16");
  assertThrows(() => parse(scaling({ original_max_position_embeddings: 2048 })), RangeError, "4096, as outside it");
  // transformers does not look inside: without the field outside it takes what the family assumes.
  const inside = { ...scaling({ original_max_position_embeddings: 32 }), original_max_position_embeddings: undefined };
  assertThrows(() => parse(inside), RangeError, "4096, assumed without such a field outside it");
  assertThrows(() => parse(llama({ rope_scaling: longrope.rope_scaling })), RangeError, 'type = "longrope"');
  assertThrows(() => parse(llama({ original_max_position_embeddings: 64 })), RangeError, "original_max_position");
});

Deno.test("FAMILIES has unique names, and every family lays out all weights", () => {
  assertEquals(new Set(FAMILIES.map(({ modelType }) => modelType)).size, FAMILIES.length);
  for (const family of FAMILIES) {
    const held = family.layerTensors.flatMap(({ holds }) => holds);
    assertEquals(new Set(held).size, held.length);
    for (const weight of ["inputNorm", "q", "k", "v", "o", "postAttentionNorm", "gate", "up", "down"] as const) {
      assert(held.includes(weight), `${family.modelType} has no ${weight}`);
    }
  }
});
