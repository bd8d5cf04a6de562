/** Rotary position embeddings: from the fields of `config.json` to inverse frequencies. All arithmetic is f64. */
import type { Fields } from "./fields.ts";
import type { RopeConfig } from "./model_config.ts";

/** A way to scale rotary frequencies, by its Hugging Face name. */
export type RopeType = "default" | "linear" | "llama3" | "yarn" | "longrope";

/** What the scaling may depend on besides its own fields. */
export interface RopeContext {
  /** K */
  readonly headWidth: number;
  /** Whether only the first part of a head may be rotated. */
  readonly isPartial: boolean;
  /** `max_position_embeddings`, in tokens. */
  readonly maxPositions: number;
  /** `original_max_position_embeddings` outside the rotary fields, in tokens, where the file has it. */
  readonly originalMaxPositions?: number;
  /** What the family assumes when the file has it nowhere. */
  readonly defaultOriginalMaxPositions?: number;
  /** What the family assumes for `rope_theta`. */
  readonly defaultTheta: number;
}

/** Rotary frequencies, and the length up to which they hold. */
export interface RopeResult {
  /** Frequencies after scaling, and the factor on cos and sin. */
  readonly rope: RopeConfig;
  /** Longest sequence for which these frequencies are the model's, in tokens. */
  readonly maxPositions: number;
}

/** Longest context anyone writes down, in tokens; above it a number is a mistake. */
export const MOST_POSITIONS = 2 ** 31 - 1;

/** `theta^(-2i/W)`, f64 `[W/2]` */
function plainFrequencies(theta: number, rotatedWidth: number): Float64Array {
  return Float64Array.from({ length: rotatedWidth / 2 }, (_, i) => 1 / theta ** (2 * i / rotatedWidth));
}

/**
 * Elements of a head that are rotated: all K, or the part that `partial_rotary_factor` says, inside or outside
 * `fields`.
 */
function rotatedWidth(config: Fields, fields: Fields | undefined, { headWidth, isPartial }: RopeContext): number {
  const name = "partial_rotary_factor";
  if (!isPartial) {
    config.only(name, [1]);
    fields?.only(name, [1]);
    return headWidth;
  }
  const outside = config.positive(name, fields?.positive(name, 1) ?? 1);
  const factor = fields?.positive(name, outside) ?? outside;
  if (factor !== outside) throw config.unsupported(name, `${factor}, as in the rotary parameters`);
  const width = Math.floor(headWidth * factor);
  if (width > headWidth || width < 2 || width % 2 !== 0) {
    throw (config.has(name) ? config : fields!).unsupported(name, `an even part of the head width ${headWidth}`);
  }
  return width;
}

/**
 * Llama 3.1: wavelengths above `original / low` are stretched by `factor`, those below `original / high` are kept, and
 * those between go from one to the other in proportion to `original / wavelength`.
 */
function llama3Frequencies(plain: Float64Array, fields: Fields): Float64Array {
  const factor = fields.positive("factor");
  const low = fields.positive("low_freq_factor");
  const high = fields.positive("high_freq_factor");
  const original = fields.count("original_max_position_embeddings", MOST_POSITIONS);
  if (high <= low) throw fields.unsupported("high_freq_factor", `more than low_freq_factor = ${low}`);
  return plain.map((frequency) => {
    const wavelength = 2 * Math.PI / frequency;
    if (wavelength > original / low) return frequency / factor;
    if (wavelength < original / high) return frequency;
    const kept = (original / wavelength - low) / (high - low);
    return (1 - kept) * frequency / factor + kept * frequency;
  });
}

/**
 * YaRN: pairs that turn more than `beta_fast` times within the original length are kept, those that turn less than
 * `beta_slow` times are slowed by `factor`, and those between go from one to the other in proportion to their index.
 * arXiv:2309.00071, with the defaults of transformers 5.
 */
function yarn(plain: Float64Array, theta: number, fields: Fields, { maxPositions }: RopeContext): RopeConfig {
  if (theta <= 1) throw fields.unsupported("rope_theta", `more than 1 (here ${theta})`);
  const original = fields.count("original_max_position_embeddings", MOST_POSITIONS, maxPositions);
  // Written as null it is the ratio of the lengths; it may not be left out.
  const factor = fields.positive("factor", fields.has("factor") ? maxPositions / original : undefined);
  const width = 2 * plain.length;
  const pairThatTurns = (times: number) => width * Math.log(original / (times * 2 * Math.PI)) / (2 * Math.log(theta));
  let first = pairThatTurns(fields.positive("beta_fast", 32));
  let last = pairThatTurns(fields.positive("beta_slow", 1));
  // Left out it is true, written as null it is false.
  if (fields.flag("truncate", !fields.has("truncate"))) {
    first = Math.floor(first);
    last = Math.ceil(last);
  }
  first = Math.max(first, 0);
  last = Math.min(last, width - 1);
  const length = first === last ? 0.001 : last - first;
  const inverseFrequencies = plain.map((frequency, pair) => {
    const slowed = Math.min(Math.max((pair - first) / length, 0), 1);
    return slowed * frequency / factor + (1 - slowed) * frequency;
  });
  return { inverseFrequencies, attentionFactor: fields.positive("attention_factor", yarnFactor(factor, fields)) };
}

/** The attention factor of YaRN where none is written: a ratio where both scales of the logarithm are. */
function yarnFactor(factor: number, fields: Fields): number {
  const both = fields.value("mscale") !== undefined && fields.value("mscale_all_dim") !== undefined;
  const grown = (scale: number) => factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  const [scale, ofAll] = [fields.positive("mscale", 1), fields.positive("mscale_all_dim", 1)];
  return both ? grown(scale) / grown(ofAll) : grown(1);
}

/**
 * LongRoPE: every frequency has a divisor of its own, one list for sequences up to the original length and one for
 * longer ones. Only the first list is used, so the model is limited to its original length.
 */
function longrope(plain: Float64Array, fields: Fields, context: RopeContext): RopeResult {
  const divisors = fields.positives("short_factor", plain.length);
  fields.positives("long_factor", plain.length);
  const inside = fields.has("original_max_position_embeddings")
    ? fields.count("original_max_position_embeddings", MOST_POSITIONS)
    : undefined;
  // As in transformers: the field outside decides, also where the file leaves it out and the family assumes a value.
  const original = context.originalMaxPositions ?? context.defaultOriginalMaxPositions ?? inside;
  if (original === undefined) throw fields.unsupported("rope_type", "original_max_position_embeddings beside longrope");
  if (inside !== undefined && inside !== original) {
    const place = context.originalMaxPositions === undefined ? "assumed without such a field" : "as";
    throw fields.unsupported("original_max_position_embeddings", `${original}, ${place} outside it`);
  }
  const factor = context.maxPositions / original;
  if (fields.positive("factor", factor) !== factor) {
    throw fields.unsupported("factor", `${factor}, the ratio of the maximal and the original number of positions`);
  }
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    rope: {
      inverseFrequencies: plain.map((frequency, i) => frequency / divisors[i]),
      attentionFactor: fields.positive("attention_factor", usual),
    },
    maxPositions: Math.min(original, context.maxPositions),
  };
}

/**
 * Reads the rotary fields of a configuration, in the layout of transformers 4 (`rope_theta`, `rope_scaling`) or 5
 * (`rope_parameters`, theta inside).
 *
 * @param config All fields of the file.
 * @param supported The scalings the family has.
 * @throws {RangeError} If the scaling is another one, a field of it is unknown, or the two layouts contradict.
 */
export function readRope(config: Fields, supported: readonly RopeType[], context: RopeContext): RopeResult {
  const older = config.object("rope_scaling");
  const newer = config.object("rope_parameters");
  if (older && newer) throw config.unsupported("rope_scaling", "only one of rope_scaling and rope_parameters");
  const fields = newer ?? older;
  const outerTheta = config.has("rope_theta") ? config.positive("rope_theta", context.defaultTheta) : undefined;
  const assumedTheta = outerTheta ?? context.defaultTheta;
  const theta = fields?.positive("rope_theta", assumedTheta) ?? assumedTheta;
  if (outerTheta !== undefined && theta !== outerTheta) {
    throw config.unsupported("rope_theta", `${theta}, as in the rotary parameters`);
  }
  const plain = plainFrequencies(theta, rotatedWidth(config, fields, context));
  const unscaled = { rope: { inverseFrequencies: plain, attentionFactor: 1 }, maxPositions: context.maxPositions };
  if (!fields) return unscaled;

  const written = fields.text("rope_type", fields.text("type", "default"));
  // Files written before the name was settled say "su" for longrope, and "type" for "rope_type"; some say both.
  const settle = (name: string) => name === "su" ? "longrope" : name;
  if (settle(fields.text("type", written)) !== settle(written)) {
    throw fields.unsupported("type", `${written}, as rope_type`);
  }
  const type = supported.find((one) => one === settle(written));
  const field = fields.has("rope_type") ? "rope_type" : "type";
  if (type === undefined) throw fields.unsupported(field, supported.join(" or "));
  const result = scale(type, { plain, theta }, fields, context) ?? unscaled;
  fields.refuseOthers();
  return result;
}

/**
 * Which layers are rotated: those whose entry in `no_rope_layers` is 1. Without the list, each layer whose number,
 * counted from 1, is a multiple of `no_rope_layer_interval` is not.
 *
 * @param interval What the family assumes for `no_rope_layer_interval`.
 * @throws {TypeError | RangeError} If there are fewer entries than layers, or one is neither 0 nor 1.
 */
export function readRotatedLayers(config: Fields, layers: number, interval: number): boolean[] {
  const list = config.list("no_rope_layers");
  const every = config.count("no_rope_layer_interval", MOST_POSITIONS, interval);
  if (!list) return Array.from({ length: layers }, (_, layer) => (layer + 1) % every !== 0);
  if (list.length < layers || list.some((entry) => entry !== 0 && entry !== 1)) {
    throw config.unsupported("no_rope_layers", `${layers} entries, each 1 (rotated) or 0`);
  }
  return list.slice(0, layers).map((entry) => entry === 1);
}

/** The scaled frequencies, or undefined for `default`. */
function scale(
  type: RopeType,
  { plain, theta }: { readonly plain: Float64Array; readonly theta: number },
  fields: Fields,
  context: RopeContext,
): RopeResult | undefined {
  const { maxPositions } = context;
  switch (type) {
    case "default":
      return undefined;
    case "linear": {
      const factor = fields.positive("factor");
      const inverseFrequencies = plain.map((frequency) => frequency / factor);
      return { rope: { inverseFrequencies, attentionFactor: 1 }, maxPositions };
    }
    case "llama3":
      return { rope: { inverseFrequencies: llama3Frequencies(plain, fields), attentionFactor: 1 }, maxPositions };
    case "yarn":
      return { rope: yarn(plain, theta, fields, context), maxPositions };
    case "longrope":
      return longrope(plain, fields, context);
  }
}
