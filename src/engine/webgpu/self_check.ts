/**
 * A self-check of the device before it is trusted: a model of a few thousand weights goes through every family of kernels, and
 * the results are held against the float64 engine. A driver that compiles a kernel wrongly is refused.
 */
import type { Checkpoint, WeightType } from "../../checkpoint/checkpoint.ts";
import { parseConfig } from "../../checkpoint/config.ts";
import { openCheckpointFrom, SINGLE_FILE } from "../../checkpoint/open_from.ts";
import { encodeSafetensors } from "../../checkpoint/safetensors.ts";
import { memorySource } from "../../checkpoint/memory_source.ts";
import type { KernelVariant } from "../../ops/context.ts";
import type { Example } from "../../tasks/example.ts";
import { createRandom } from "../../tasks/random.ts";
import type { Engine, Intervention } from "../engine.ts";
import { NotFiniteError } from "../not_finite.ts";
import { createReferenceEngine } from "../reference/engine.ts";

/** Thrown when a device gives results that are not those of the model. */
export class WrongResultsError extends Error {
  /** Tells this error from others by name. */
  override readonly name = "WrongResultsError";
}

/** Worst relative error accepted; correct kernels stay a hundred times below, wrong ones are far above. */
const TOLERANCE = 1e-3;

const CONFIG = {
  model_type: "llama",
  hidden_act: "silu",
  hidden_size: 24,
  intermediate_size: 20,
  max_position_embeddings: 32,
  num_attention_heads: 3,
  num_hidden_layers: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  vocab_size: 40,
};

const EXAMPLE: Example = {
  id: "self-check",
  prompt: Uint32Array.of(3, 17, 8, 29, 11),
  choices: [Uint32Array.of(5), Uint32Array.of(6, 31)],
  choiceCharacters: [1, 2],
  gold: 0,
};

const RULE = { nodes: Float64Array.of(0.25, 0.75), weights: Float64Array.of(0.5, 0.5) };

const MASK: Intervention = [{ layer: 0, site: "gate", neurons: Uint32Array.of(2, 9) }];

/** The bits of k / 16, |k| < 32, in a type: all three hold it exactly. */
function sixteenths(values: Int8Array, type: WeightType): Uint16Array | Float32Array {
  const floats = Float32Array.from(values, (value) => value / 16);
  if (type === "F32") return floats;
  const words = new Uint32Array(floats.buffer);
  if (type === "BF16") return Uint16Array.from(words, (word) => word >>> 16);
  // The exponent's bias is 15 instead of 127, and ten bits of the fraction stay.
  return Uint16Array.from(
    words,
    (word) =>
      (word & 0x7fffffff) === 0
        ? 0
        : (word >>> 16 & 0x8000) | (((word >>> 23 & 0xff) - 112) << 10) | (word >>> 13 & 0x3ff),
  );
}

/** The model that the check runs, its weights stored as `type`. */
export async function selfCheckModel(type: WeightType): Promise<Checkpoint> {
  const config = JSON.stringify(CONFIG);
  const random = createRandom(1);
  const tensors = [...parseConfig(config).tensors].map(([name, shape]) => {
    const count = shape.reduce((product, length) => product * length, 1);
    // Norm weights about 1; products keep the size of what goes in.
    const [base, spread] = shape.length === 1 ? [16, 4] : [0, 9];
    const values = Int8Array.from({ length: count }, () => base + random.nextBelow(2 * spread + 1) - spread);
    return { name, shape, dtype: type, data: sixteenths(values, type) };
  });
  const pieces = encodeSafetensors(tensors);
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const files = new Map([[SINGLE_FILE, memorySource(SINGLE_FILE, bytes)]]);
  return await openCheckpointFrom({ location: "the model of the self-check", config, files });
}

/** What the check compares: attributions of both layers, and log-probabilities with and without a mask. */
async function results(engine: Engine): Promise<Readonly<Record<string, number[]>>> {
  const pairs = await engine.attribute([EXAMPLE], { rule: RULE });
  const [plain, masked] = await engine.choiceLogProbs([EXAMPLE], [[], MASK]);
  return {
    attributions: pairs.flatMap(({ scores, objectiveAtZero }) => [...scores, objectiveAtZero]),
    "log-probabilities": [...plain[0], ...masked[0]],
  };
}

/** Worst difference over the largest expected value; NaN anywhere gives NaN. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs));
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(actual[i] - value)), 0) / largest;
}

let expectedResults: Promise<Readonly<Record<string, number[]>>> | undefined;

/** What has been checked, by device, kernel variant and weight type. */
const checked = new WeakMap<GPUDevice, Map<string, Promise<void>>>();

/** What to check. */
export interface SelfCheck {
  readonly device: GPUDevice;
  readonly adapter: string;
  readonly variant: KernelVariant;
  /** The type that most weights of the caller's model are stored in: kernels differ by it. */
  readonly type: WeightType;
  /** Opens an engine over the check's model, with these kernels on this device. */
  readonly open: (checkpoint: Checkpoint) => Promise<Engine>;
}

/**
 * Checks a device, once for each kernel variant and weight type.
 *
 * @throws {WrongResultsError} If it computes wrongly. Failures of the device are passed on.
 */
export function selfCheck(check: SelfCheck): Promise<void> {
  const { device, variant, type } = check;
  const known = checked.get(device) ?? new Map<string, Promise<void>>();
  checked.set(device, known);
  const key = `${variant} ${type}`;
  let outcome = known.get(key);
  if (!outcome) {
    outcome = carryOut(check);
    known.set(key, outcome);
    outcome.catch(() => known.delete(key));
  }
  return outcome;
}

async function carryOut({ adapter, variant, type, open }: SelfCheck): Promise<void> {
  const refuse = (what: string) =>
    new WrongResultsError(
      `Cannot compute on ${adapter}: on a model with known results its ${variant} kernels give ${what}; its driver is at fault`,
    );
  const checkpoint = await selfCheckModel(type);
  expectedResults ??= createReferenceEngine(checkpoint).then(results);
  const expected = await expectedResults;
  const engine = await open(checkpoint);
  try {
    const actual = await results(engine);
    for (const [name, values] of Object.entries(expected)) {
      const error = relativeError(actual[name], values);
      if (!(error <= TOLERANCE)) {
        throw refuse(`${name} that are off by ${error.toPrecision(2)} of the largest, expected at most ${TOLERANCE}`);
      }
    }
  } catch (error) {
    throw error instanceof NotFiniteError ? refuse("numbers that are not finite") : error;
  } finally {
    await engine.close();
  }
}
