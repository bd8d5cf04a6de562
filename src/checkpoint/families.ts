/**
 * The model families, as data: an entry of this table is all that makes a family. Everything else (configuration,
 * shapes, engines, writer) reads it from here or from the `ModelConfig` made with it.
 */
import type { RopeType } from "./rope.ts";

/** A weight of one layer, in the words of `LayerWeightRefs`. */
export type LayerWeight =
  | "inputNorm"
  | "q"
  | "k"
  | "v"
  | "qBias"
  | "kBias"
  | "vBias"
  | "qNorm"
  | "kNorm"
  | "o"
  | "postAttentionNorm"
  | "gate"
  | "up"
  | "down";

/**
 * A tensor of a layer: its name after `model.layers.N.`, and the weights it holds, one below the other along its rows.
 */
export interface LayerTensor {
  /** Such as `mlp.gate_proj.weight`. */
  readonly name: string;
  /** Top rows first; several where the family fuses them. */
  readonly holds: readonly LayerWeight[];
}

/**
 * Which layers have a sliding window.
 *
 * - `none`: the family has no window
 * - `every-layer`: `sliding_window` tokens in all layers; null for none
 * - `upper-layers`: the same in the layers from `max_window_layers` on, and only with `use_sliding_window`; where
 *   `layer_types` is given, that list says which layers
 * - `unrotated-layers`: the same in the layers without rotary embedding
 */
export type WindowRule = "none" | "every-layer" | "upper-layers" | "unrotated-layers";

/** One family of decoder-only transformers with SwiGLU feed-forward blocks and rotary embeddings. */
export interface Family {
  /** `model_type` in `config.json`. */
  readonly modelType: string;
  /** The entry of `architectures`. */
  readonly architecture: string;
  /** Every tensor that each layer has. */
  readonly layerTensors: readonly LayerTensor[];
  /** Scalings of the rotary frequencies that its configuration may ask for. */
  readonly ropeTypes: readonly RopeType[];
  /** Whether its configuration may ask for rotating only the first part of each head. */
  readonly partialRotary?: boolean;
  /** Whether `no_rope_layers` may say that some layers have no rotary embedding. */
  readonly unrotatedLayers?: boolean;
  /** Which layers have a sliding window. */
  readonly window: WindowRule;
  /** Fields with constant factors of the forward pass, where the family has them; left out, such a field is 1. */
  readonly multipliers?: {
    readonly embedding: string;
    readonly attention: string;
    readonly residual: string;
    /** A divisor: logits are divided by it. */
    readonly logitsDivisor: string;
  };
  /** What transformers assumes for fields that the file may leave out. */
  readonly defaults: {
    readonly max_position_embeddings: number;
    readonly rms_norm_eps: number;
    /** Absent: as many as query heads. */
    readonly num_key_value_heads?: number;
    /** Absent: hidden_size / num_attention_heads. */
    readonly head_dim?: number;
    /** Window in tokens when `sliding_window` is left out; absent: none. */
    readonly sliding_window?: number;
    readonly max_window_layers?: number;
    readonly original_max_position_embeddings?: number;
    /** Absent: 10,000. */
    readonly rope_theta?: number;
    /** Layers from one without rotary embedding to the next, where `unrotatedLayers`. */
    readonly no_rope_layer_interval?: number;
    /** Absent: false. */
    readonly tie_word_embeddings?: boolean;
  };
  /** Fields of this family besides the common ones that have one value here; anything else is refused. */
  readonly fixed?: Readonly<Record<string, readonly (string | number | boolean)[]>>;
  /** Fields that its published files have and its class does not look at, whatever other families make of them. */
  readonly unread?: readonly string[];
}

/** One tensor per weight, without biases: the layout that most families start from. */
const SEPARATE: readonly LayerTensor[] = [
  { name: "input_layernorm.weight", holds: ["inputNorm"] },
  { name: "self_attn.q_proj.weight", holds: ["q"] },
  { name: "self_attn.k_proj.weight", holds: ["k"] },
  { name: "self_attn.v_proj.weight", holds: ["v"] },
  { name: "self_attn.o_proj.weight", holds: ["o"] },
  { name: "post_attention_layernorm.weight", holds: ["postAttentionNorm"] },
  { name: "mlp.gate_proj.weight", holds: ["gate"] },
  { name: "mlp.up_proj.weight", holds: ["up"] },
  { name: "mlp.down_proj.weight", holds: ["down"] },
];

/** The scalings of every class of transformers that has no field of its own for them. */
const COMMON_ROPE = ["default", "linear", "llama3", "yarn"] as const satisfies readonly RopeType[];

/** What the Qwen families share. */
const QWEN = {
  ropeTypes: COMMON_ROPE,
  window: "upper-layers",
  defaults: {
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    num_key_value_heads: 32,
    sliding_window: 4096,
    max_window_layers: 28,
  },
} as const satisfies Partial<Family>;

/** Every family that Secateur computes. */
export const FAMILIES: readonly Family[] = [
  {
    modelType: "llama",
    architecture: "LlamaForCausalLM",
    layerTensors: SEPARATE,
    ropeTypes: COMMON_ROPE,
    window: "none",
    defaults: { max_position_embeddings: 2048, rms_norm_eps: 1e-6 },
    fixed: { attention_bias: [false], rope_interleaved: [false] },
  },
  {
    modelType: "granite",
    architecture: "GraniteForCausalLM",
    layerTensors: SEPARATE,
    ropeTypes: COMMON_ROPE,
    window: "none",
    multipliers: {
      embedding: "embedding_multiplier",
      attention: "attention_multiplier",
      residual: "residual_multiplier",
      logitsDivisor: "logits_scaling",
    },
    defaults: { max_position_embeddings: 2048, rms_norm_eps: 1e-6 },
    fixed: { attention_bias: [false] },
  },
  {
    modelType: "mistral",
    architecture: "MistralForCausalLM",
    layerTensors: SEPARATE,
    ropeTypes: COMMON_ROPE,
    window: "every-layer",
    defaults: {
      max_position_embeddings: 131_072,
      rms_norm_eps: 1e-6,
      num_key_value_heads: 8,
      sliding_window: 4096,
    },
    fixed: { attention_bias: [false] },
  },
  {
    modelType: "qwen2",
    architecture: "Qwen2ForCausalLM",
    layerTensors: [
      ...SEPARATE,
      { name: "self_attn.q_proj.bias", holds: ["qBias"] },
      { name: "self_attn.k_proj.bias", holds: ["kBias"] },
      { name: "self_attn.v_proj.bias", holds: ["vBias"] },
    ],
    ...QWEN,
    fixed: { attention_bias: [true], use_mrope: [false] },
  },
  {
    modelType: "qwen3",
    architecture: "Qwen3ForCausalLM",
    layerTensors: [
      ...SEPARATE,
      { name: "self_attn.q_norm.weight", holds: ["qNorm"] },
      { name: "self_attn.k_norm.weight", holds: ["kNorm"] },
    ],
    ...QWEN,
    defaults: { ...QWEN.defaults, head_dim: 128 },
    fixed: { attention_bias: [false] },
  },
  {
    modelType: "phi3",
    architecture: "Phi3ForCausalLM",
    layerTensors: [
      { name: "input_layernorm.weight", holds: ["inputNorm"] },
      { name: "self_attn.qkv_proj.weight", holds: ["q", "k", "v"] },
      { name: "self_attn.o_proj.weight", holds: ["o"] },
      { name: "post_attention_layernorm.weight", holds: ["postAttentionNorm"] },
      { name: "mlp.gate_up_proj.weight", holds: ["gate", "up"] },
      { name: "mlp.down_proj.weight", holds: ["down"] },
    ],
    ropeTypes: ["default", "longrope"],
    partialRotary: true,
    window: "every-layer",
    defaults: { max_position_embeddings: 4096, rms_norm_eps: 1e-5, original_max_position_embeddings: 4096 },
    fixed: { attention_bias: [false] },
  },
  {
    modelType: "smollm3",
    architecture: "SmolLM3ForCausalLM",
    layerTensors: SEPARATE,
    ropeTypes: COMMON_ROPE,
    unrotatedLayers: true,
    window: "unrotated-layers",
    defaults: {
      max_position_embeddings: 32_768,
      rms_norm_eps: 1e-6,
      num_key_value_heads: 4,
      rope_theta: 2_000_000,
      no_rope_layer_interval: 4,
      tie_word_embeddings: true,
    },
    fixed: { attention_bias: [false] },
    unread: ["max_window_layers", "pretraining_tp"],
  },
];

/** What stands in the way of well-known families that are not in the table, by `model_type`. */
const OBSTACLES: Readonly<Record<string, readonly string[]>> = {
  "its feed-forward blocks are GeGLU": ["gemma", "gemma2", "gemma3_text"],
  "its feed-forward blocks are mixtures of experts": [
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "olmoe",
    "granitemoe",
    "phimoe",
    "deepseek_v2",
    "deepseek_v3",
    "gpt_oss",
  ],
  "its feed-forward blocks have no gate": ["gpt2", "gpt_neox", "gptj", "opt", "bloom", "falcon", "phi"],
  "its norms follow the blocks instead of preceding them": ["olmo2", "olmo3"],
};

/** Why a family is not computed, in words; undefined where nothing is known of it. */
export function obstacleOf(modelType: string): string | undefined {
  return Object.entries(OBSTACLES).find(([, types]) => types.includes(modelType))?.[0];
}
