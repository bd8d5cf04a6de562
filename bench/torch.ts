/**
 * PyTorch as a contender: a Python process that scores as people write it today, checked against the engine's scores.
 */
import { fileURLToPath } from "node:url";
import type { QuadratureRule } from "../src/engine/engine.ts";
import type { Example } from "../src/tasks/example.ts";
import { type ModelShape, writeGeneratedModel } from "./models.ts";
import { type PeerProcess, startPeer } from "./peers/process.ts";
import { nmse } from "./statistics.ts";

/** A running Python process with a model. */
export interface Torch {
  /** Versions, storage type and processor. */
  readonly name: string;
  /** NMSE of its scores of the first example against the engine's. */
  readonly nmse: number;
  /** Scores all layers of one example. */
  score(example: number, rule: QuadratureRule): Promise<TorchScoring>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** What PyTorch is to do. */
export interface TorchJob {
  readonly shape: ModelShape;
  readonly examples: readonly Example[];
  /** Nodes and weights its scores are checked with. */
  readonly rule: QuadratureRule;
  /** The engine's scores of the first example by this rule, `[L*H]`. */
  readonly expected: ArrayLike<number>;
  /** Largest NMSE of f32 scores. */
  readonly tolerance: number;
}

interface Hello {
  readonly version: string;
  readonly adapter: string;
}

/** How one example was scored. */
export interface TorchScoring {
  readonly seconds: number;
  /** Worst completeness error over the layers. */
  readonly completenessError: number;
}

/**
 * Starts PyTorch in f32, and in bf16 too where it has a GPU.
 *
 * @throws {Error} If there is no Python with torch and transformers, or f32 scores differ from the engine's.
 */
export async function openTorches(job: TorchJob): Promise<Torch[]> {
  const python = await findPython();
  if (python === null) throw new Error("no Python with torch and transformers; name one in SECATEUR_BENCH_PYTHON");
  const folder = await Deno.makeTempDir({ prefix: "secateur-bench-" });
  const torches: Torch[] = [];
  try {
    await writeGeneratedModel(folder, job.shape);
    await Deno.writeTextFile(`${folder}/examples.json`, JSON.stringify(job.examples.map(({ prompt }) => [...prompt])));
    for (const dtype of ["float32", "bfloat16"]) {
      const { process, torch } = await openTorch(python, folder, dtype, job);
      torches.push(torch);
      if (process.hello.adapter.startsWith("cpu")) break;
    }
    return torches;
  } catch (error) {
    for (const torch of torches) await torch.close();
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function openTorch(python: string, folder: string, dtype: string, { rule, expected, tolerance }: TorchJob) {
  const script = fileURLToPath(new URL("peers/torch_ig.py", import.meta.url));
  const examples = `${folder}/examples.json`;
  const args = [script, "--model", folder, "--examples", examples, "--dtype", dtype];
  const process: PeerProcess<Hello, TorchScoring> = await startPeer(python, args);
  const ask = (example: number, { nodes, weights }: QuadratureRule, save?: string) =>
    process.ask({ example, rule: [[...nodes], [...weights]], ...(save && { save }) });
  try {
    const { version, adapter } = process.hello;
    await ask(0, rule, `${folder}/scores`);
    const error = nmse(new Float32Array((await Deno.readFile(`${folder}/scores`)).buffer), expected);
    // Half-precision sums are as far from f32 as they are; f32 sums must agree.
    if (dtype === "float32" && !(error <= tolerance)) {
      throw new Error(`its scores are not the engine's: NMSE ${error}, expected at most ${tolerance}`);
    }
    const torch: Torch = {
      name: `pytorch (${version}, ${adapter})`,
      nmse: error,
      score: (example, rule) => ask(example, rule),
      close: process.close,
    };
    return { process, torch };
  } catch (error) {
    await process.close();
    throw error;
  }
}

/** The first Python that imports what is needed. */
async function findPython(): Promise<string | null> {
  const named = Deno.env.get("SECATEUR_BENCH_PYTHON");
  for (const program of named ? [named] : ["python3", "python"]) {
    try {
      const { success } = await new Deno.Command(program, {
        args: ["-c", "import torch, transformers"],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return program;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}
