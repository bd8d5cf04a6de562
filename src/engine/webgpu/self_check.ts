/**
 * A self-check of the device before it is trusted: a model of a few thousand weights goes forward and backward through
 * it, and the results are held against the float64 engine. Its kernels are checked one by one too; see
 * `kernel_check.ts`.
 */
import type { Checkpoint, WeightType } from "../../checkpoint/checkpoint.ts";
import { parseConfig } from "../../checkpoint/config.ts";
import { openCheckpointFrom, SINGLE_FILE } from "../../checkpoint/open_from.ts";
import { encodeSafetensors } from "../../checkpoint/safetensors.ts";
import { memorySource } from "../../checkpoint/memory_source.ts";
import { MAX_HEAD_WIDTH } from "../../ops/attention.ts";
import type { KernelVariant } from "../../ops/context.ts";
import type { Example } from "../../tasks/example.ts";
import { createRandom } from "../../tasks/random.ts";
import type { Engine, Intervention } from "../engine.ts";
import { NotFiniteError } from "../not_finite.ts";
import { createReferenceEngine } from "../reference/engine.ts";
import { sixteenths } from "./proofs/stored_weights.ts";
import { relativeError } from "./proofs/workbench.ts";
import { describeWrong, WrongResultsError } from "./wrong_results.ts";

/** Worst relative error accepted; correct kernels stay a hundred times below, wrong ones are far above. */
const TOLERANCE = 1e-3;

/** What attention heads of a model are like: kernels are compiled for it. */
export interface HeadShape {
  /** K */
  readonly width: number;
  readonly hasBias: boolean;
  /** Whether each head is normed before it is turned. */
  readonly hasNorm: boolean;
}

const PLAIN_HEADS: HeadShape = { width: 8, hasBias: false, hasNorm: false };

const CONFIG = {
  hidden_act: "silu",
  hidden_size: 24,
  intermediate_size: 20,
  max_position_embeddings: 32,
  num_attention_heads: 3,
  num_hidden_layers: 2,
  num_key_value_heads: 1,
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

/** The model that the check runs, its weights stored as `type`. */
export async function selfCheckModel(type: WeightType, heads = PLAIN_HEADS): Promise<Checkpoint> {
  // No family has both a bias and a norm. Heads that no kernel takes are refused later, in the name of their own model.
  const family = heads.hasNorm ? "qwen3" : heads.hasBias ? "qwen2" : "llama";
  const isTaken = heads.width % 4 === 0 && heads.width <= MAX_HEAD_WIDTH;
  const head_dim = isTaken ? heads.width : PLAIN_HEADS.width;
  const config = JSON.stringify({ ...CONFIG, model_type: family, head_dim });
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

/** What the float64 engine gives, by heads; weights have the same values in every type. */
const expectedResults = new Map<string, Promise<Readonly<Record<string, number[]>>>>();

/** What has been checked, by device, kernel variant, weight type and heads. */
const checked = new WeakMap<GPUDevice, Map<string, Promise<void>>>();

/** What to check. */
export interface SelfCheck {
  readonly device: GPUDevice;
  readonly adapter: string;
  readonly variant: KernelVariant;
  /** The type that most weights of the caller's model are stored in: kernels differ by it. */
  readonly type: WeightType;
  /** Those of the caller's model. */
  readonly heads: HeadShape;
  /** Opens an engine over the check's model, with these kernels on this device. */
  readonly open: (checkpoint: Checkpoint) => Promise<Engine>;
}

/**
 * Checks a device, once for each kernel variant, weight type and kind of heads.
 *
 * @throws {WrongResultsError} If it computes wrongly. Failures of the device are passed on.
 */
export function selfCheck(check: SelfCheck): Promise<void> {
  const { device, variant, type, heads } = check;
  const known = checked.get(device) ?? new Map<string, Promise<void>>();
  checked.set(device, known);
  const key = `${variant} ${type} ${JSON.stringify(heads)}`;
  let outcome = known.get(key);
  if (!outcome) {
    outcome = carryOut(check);
    known.set(key, outcome);
    outcome.catch(() => known.delete(key));
  }
  return outcome;
}

async function carryOut({ adapter, variant, type, heads, open }: SelfCheck): Promise<void> {
  const refuse = (what: string) =>
    new WrongResultsError(
      `Cannot compute on ${adapter}: on a model with known results its ${variant} kernels give ${what}; its driver is at fault`,
    );
  const checkpoint = await selfCheckModel(type, heads);
  const key = JSON.stringify(heads);
  const expecting = expectedResults.get(key) ?? createReferenceEngine(checkpoint).then(results);
  expectedResults.set(key, expecting);
  const expected = await expecting;
  const engine = await open(checkpoint);
  try {
    const actual = await results(engine);
    for (const [name, values] of Object.entries(expected)) {
      const error = relativeError(actual[name], values);
      if (!(error <= TOLERANCE)) {
        throw refuse(`${name} ${describeWrong(error, TOLERANCE)}`);
      }
    }
  } catch (error) {
    throw error instanceof NotFiniteError ? refuse("numbers that are not finite") : error;
  } finally {
    await engine.close();
  }
}
