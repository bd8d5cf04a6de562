/**
 * Reads `config.json` of a Hugging Face checkpoint into a `ModelConfig`. Three kinds of fields: those that are computed
 * with, those with one supported value, and those known to be harmless; any other field is an error that names it.
 */
import { FAMILIES, type Family, obstacleOf } from "./families.ts";
import { Fields } from "./fields.ts";
import { expectedTensors, type Sizes, weightRefs } from "./layout.ts";
import type { ModelConfig, Multipliers } from "./model_config.ts";
import { MOST_POSITIONS, readRope, readRotatedLayers } from "./rope.ts";
import { parseJsonObject } from "./strict_json.ts";

/** Bounds that no real model comes near; beyond them a configuration is a mistake or an attack. */
const MOST_ROWS = 2 ** 31 - 1;
const MOST_LAYERS = 10_000;
const WIDEST_HEAD = 2 ** 16;
const LARGEST_TENSOR = 2 ** 40;
const LARGEST_MULTIPLIER = 2 ** 16;
const LARGEST_MODEL = 2 ** 43;

/** Bytes of the smallest type that weights are stored in. */
const LEAST_BYTES = 2;

/**
 * Fields of every family that have one supported value, whatever the family. `[]`: the field must be absent or null.
 */
const FIXED: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  hidden_act: ["silu", "swish"],
  is_encoder_decoder: [false],
  add_cross_attention: [false],
  cross_attention_hidden_size: [],
  tie_encoder_decoder: [false],
  is_causal: [true],
  use_bidirectional_attention: [false],
  // Also in files of families that have no such field, where transformers does not look at them.
  mlp_bias: [false],
  pretraining_tp: [1],
};

/**
 * Fields that do not change the logits of a prompt, one line per purpose: bookkeeping, code and device, vocabulary and
 * labels, training, generation, output.
 */
const HARMLESS: ReadonlySet<string> = new Set(
  `
  _name_or_path name_or_path model_name _commit_hash transformers_version is_llama_config unsloth_version unsloth_fixed
  torch_dtype dtype use_bfloat16 auto_map transformers.js_config torchscript _attn_implementation attn_implementation
  _attn_implementation_autoset _flash_attn_2_enabled chunk_size_feed_forward base_model_tp_plan base_model_pp_plan
  tokenizer_class prefix bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id cls_token_id
  decoder_start_token_id is_decoder num_labels id2label label2id problem_type finetuning_task task_specific_params
  attention_dropout hidden_dropout embd_pdrop resid_pdrop embd_dropout resid_dropout initializer_range
  neftune_noise_alpha gradient_checkpointing max_sequence_length model_max_length
  use_cache do_sample temperature top_k top_p typical_p max_length min_length max_new_tokens early_stopping num_beams
  num_beam_groups num_return_sequences diversity_penalty repetition_penalty length_penalty no_repeat_ngram_size
  encoder_no_repeat_ngram_size bad_words_ids forced_bos_token_id forced_eos_token_id suppress_tokens
  begin_suppress_tokens exponential_decay_length_penalty remove_invalid_values tf_legacy_loss
  return_dict return_dict_in_generate output_attentions output_hidden_states output_scores
  `.trim().split(/\s+/),
);

function readFamily(fields: Fields): Family {
  const type = fields.text("model_type");
  const family = FAMILIES.find(({ modelType }) => modelType === type);
  if (!family) {
    const obstacle = obstacleOf(type);
    const supported = FAMILIES.map(({ modelType }) => modelType).join(", ");
    throw fields.unsupported("model_type", obstacle === undefined ? supported : `${supported}; ${obstacle}`);
  }
  const architectures = fields.list("architectures");
  if (architectures && !architectures.includes(family.architecture)) {
    throw fields.unsupported("architectures", family.architecture);
  }
  return family;
}

function readSizes(fields: Fields, family: Family): Sizes {
  const { defaults } = family;
  const width = fields.count("hidden_size", MOST_ROWS);
  if (width % 2 !== 0) throw fields.unsupported("hidden_size", "an even width");
  const queryHeads = fields.count("num_attention_heads", MOST_ROWS);
  // Left out, it is what the family's class assumes; written as null, it is the number of query heads.
  const assumedHeads = fields.has("num_key_value_heads") ? queryHeads : defaults.num_key_value_heads ?? queryHeads;
  const keyValueHeads = fields.count("num_key_value_heads", MOST_ROWS, assumedHeads);
  if (queryHeads % keyValueHeads !== 0) {
    throw fields.unsupported("num_key_value_heads", `a divisor of num_attention_heads = ${queryHeads}`);
  }
  const assumedWidth = defaults.head_dim ?? width / queryHeads;
  if (fields.value("head_dim") === undefined && !Number.isInteger(assumedWidth)) {
    throw fields.unsupported("num_attention_heads", `head_dim, or a divisor of hidden_size = ${width}`);
  }
  const headWidth = fields.count("head_dim", WIDEST_HEAD, assumedWidth);
  if (headWidth % 4 !== 0) {
    const field = fields.value("head_dim") === undefined ? "num_attention_heads" : "head_dim";
    throw fields.unsupported(field, `a head width (here ${headWidth}) that is a multiple of 4`);
  }
  return {
    vocabularySize: fields.count("vocab_size", MOST_ROWS),
    width,
    neurons: fields.count("intermediate_size", MOST_ROWS),
    layers: fields.count("num_hidden_layers", MOST_LAYERS),
    queryHeads,
    keyValueHeads,
    headWidth,
  };
}

/** Refuses what no machine could hold before anything is allocated for it. */
function checkTensorSizes(sizes: Sizes): void {
  const { vocabularySize, width, neurons, queryHeads, headWidth, layers } = sizes;
  const refuse = (what: string, elements: number, most: number) => {
    if (elements <= most) return;
    throw new RangeError(
      `Cannot use config.json: ${what} = ${elements}, which takes ${
        LEAST_BYTES * elements
      } bytes or more, expected at most ` +
        `${most} elements`,
    );
  };
  refuse("vocab_size * hidden_size", vocabularySize * width, LARGEST_TENSOR);
  refuse("intermediate_size * hidden_size", neurons * width, LARGEST_TENSOR);
  refuse("num_attention_heads * head_dim * hidden_size", queryHeads * headWidth * width, LARGEST_TENSOR);
  const layer = 3 * neurons * width + 2 * queryHeads * headWidth * width;
  refuse("num_hidden_layers * elements of a layer", layers * layer, LARGEST_MODEL);
}

function readMultipliers(fields: Fields, { multipliers: names }: Family, headWidth: number): Multipliers {
  if (!names) return { embedding: 1, attention: 1 / Math.sqrt(headWidth), residual: 1, logits: 1 };
  const factor = (name: string) => {
    const value = fields.positive(name, 1);
    if (value > LARGEST_MULTIPLIER || value < 1 / LARGEST_MULTIPLIER) {
      throw fields.unsupported(name, `${1 / LARGEST_MULTIPLIER} to ${LARGEST_MULTIPLIER}`);
    }
    return value;
  };
  return {
    embedding: factor(names.embedding),
    attention: factor(names.attention),
    residual: factor(names.residual),
    logits: 1 / factor(names.logitsDivisor),
  };
}

/** The sliding window of every layer in tokens, null for full attention. */
function readWindows(fields: Fields, family: Family, rotated: readonly boolean[]): (number | null)[] {
  const layers = rotated.length;
  const types = fields.list("layer_types");
  if (family.window === "none") fields.only("sliding_window", []);
  // The rules of these families may be replaced by the list, and apply only where a flag is set.
  const isByLayer = family.window === "upper-layers" || family.window === "unrotated-layers";
  const enabled = family.window === "every-layer" || isByLayer && fields.flag("use_sliding_window", false);
  const assumed = fields.has("sliding_window") ? undefined : family.defaults.sliding_window;
  let windowed: number | null = null;
  // A window that is switched off is not looked at, as in transformers; reading marks the field as understood.
  if ((fields.value("sliding_window") ?? assumed) !== undefined && enabled) {
    windowed = fields.count("sliding_window", MOST_POSITIONS, assumed);
  }
  let first = 0;
  if (family.window === "upper-layers") {
    const value = fields.value("max_window_layers") ?? family.defaults.max_window_layers;
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw fields.unsupported("max_window_layers", "a layer");
    first = value as number;
  }
  const isWindowed = (layer: number) => layer >= first && !(family.window === "unrotated-layers" && rotated[layer]);
  const ruled = Array.from({ length: layers }, (_, layer) => isWindowed(layer) ? windowed : null);
  if (!types) return ruled;

  const expected = ruled.map((window) => window === null ? "full_attention" : "sliding_attention");
  const listed = isByLayer && windowed !== null &&
    types.every((type) => type === "full_attention" || type === "sliding_attention");
  if (types.length !== layers || !listed && types.some((type, layer) => type !== expected[layer])) {
    const kinds = [...new Set(expected)].join(" or ");
    throw fields.unsupported("layer_types", `${layers} entries that agree with sliding_window: ${kinds}`);
  }
  return types.map((type) => type === "sliding_attention" ? windowed : null);
}

/** A configuration, and the tensors a checkpoint must have to fit it. */
export interface ParsedConfig {
  /** What the engines need to know. */
  readonly config: ModelConfig;
  /** Shapes as stored, by tensor name. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/**
 * Parses `config.json`, in the layout that transformers 4 or 5 writes.
 *
 * @param text The text of the file, or its bytes in UTF-8.
 * @throws {SyntaxError} If the text is no JSON object or repeats a name.
 * @throws {TypeError} If a field has the wrong type.
 * @throws {RangeError} If a field is missing, has a value that is not supported, or is not known; the message names it.
 */
export function parseConfig(text: string | Uint8Array): ParsedConfig {
  const fields = new Fields(parseJsonObject("config.json", text), "config.json");
  const family = readFamily(fields);
  for (const name of family.unread ?? []) fields.value(name);
  for (const [name, accepted] of Object.entries({ ...FIXED, ...family.fixed })) {
    if (!family.unread?.includes(name)) fields.only(name, accepted);
  }
  for (const name of ["quantization_config", "compression_config"]) {
    if (fields.value(name) !== undefined) throw fields.unsupported(name, "none: weights in BF16, F16 or F32");
  }
  // An object of pruned attention heads by layer; an empty one is what older files say for none.
  if (Object.keys(fields.value("pruned_heads") ?? {}).length > 0) throw fields.unsupported("pruned_heads", "{}");

  const sizes = readSizes(fields, family);
  checkTensorSizes(sizes);
  const { defaults } = family;
  const original = defaults.original_max_position_embeddings === undefined ||
      fields.value("original_max_position_embeddings") === undefined
    ? undefined
    : fields.count("original_max_position_embeddings", MOST_POSITIONS);
  const { rope, maxPositions } = readRope(fields, family.ropeTypes, {
    headWidth: sizes.headWidth,
    isPartial: family.partialRotary ?? false,
    maxPositions: fields.count("max_position_embeddings", MOST_POSITIONS, defaults.max_position_embeddings),
    originalMaxPositions: original,
    defaultOriginalMaxPositions: defaults.original_max_position_embeddings,
    defaultTheta: defaults.rope_theta ?? 10_000,
  });
  const rotated = family.unrotatedLayers
    ? readRotatedLayers(fields, sizes.layers, defaults.no_rope_layer_interval!)
    : new Array<boolean>(sizes.layers).fill(true);
  const assumedTied = !fields.has("tie_word_embeddings") && (defaults.tie_word_embeddings ?? false);
  const tiedHead = fields.flag("tie_word_embeddings", assumedTied);
  const normEpsilon = fields.positive("rms_norm_eps", defaults.rms_norm_eps);
  if (normEpsilon > 1) throw fields.unsupported("rms_norm_eps", "at most 1");
  const slidingWindow = readWindows(fields, family, rotated);
  const multipliers = readMultipliers(fields, family, sizes.headWidth);
  fields.refuseOthers(HARMLESS);
  const config: ModelConfig = {
    family: family.modelType,
    ...sizes,
    normEpsilon,
    multipliers,
    rope,
    rotated,
    maxPositions,
    slidingWindow,
    tiedHead,
    ...weightRefs(family, sizes, tiedHead),
  };
  return { config, tensors: expectedTensors(family, config) };
}
