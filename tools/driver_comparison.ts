/** The demo's job on two drivers: whether the scores, the plan and the accuracies are the same. */
import { join } from "node:path";
import { readScores } from "../mod.ts";
import type { PlanModel } from "../src/method/plan.ts";
import { meanSquareError } from "../tests/support/relative_error.ts";
import { type DenoCommand, denoHere, probeAdapter } from "./adapter.ts";
import { untilAborted } from "./child.ts";

/** Normalised mean square error of the scores at most: more is more than rounding. */
const TOLERANCE = 1e-6;

/** What a run of the demo left. */
interface Demo {
  readonly adapter: string;
  readonly scores: ArrayLike<number>;
  /** Layers and neurons that were chosen. */
  readonly plan: string;
  /** Test accuracies of every redraw. */
  readonly accuracies: string;
}

/**
 * Runs the demo on this machine's own adapter and in a folder with another driver, and prints how the results differ.
 *
 * @param there Runs Deno in the folder, which has a `/tmp` of its own.
 * @returns An exit code: 0 where the scores are the same within rounding, or there is nothing to compare with.
 */
export async function compareDemo(there: DenoCommand, folder: string, signal: AbortSignal): Promise<number> {
  if (await probeAdapter() === null) {
    console.log("demo: not compared, this machine has no adapter of its own");
    return 0;
  }
  const [near, far] = [await Deno.makeTempDir(), await Deno.makeTempDir({ dir: join(folder, "tmp") })];
  try {
    const other = await runDemo(there, far.slice(folder.length), far, signal);
    const own = await runDemo(denoHere, near, near, signal);
    const error = meanSquareError(other.scores, own.scores);
    const differing = Array.from(other.scores).filter((score, i) => score !== own.scores[i]).length;
    const same = (what: keyof Demo) => other[what] === own[what] ? "the same" : "DIFFERENT";
    console.log(`demo on ${own.adapter} and on ${other.adapter}:`);
    console.log(`  scores: ${differing} of ${own.scores.length} differ, normalised mean square error ${error}`);
    console.log(`  plan: ${same("plan")}\n  test accuracies of all redraws: ${same("accuracies")}`);
    return error <= TOLERANCE ? 0 : 1;
  } finally {
    for (const path of [near, far]) await Deno.remove(path, { recursive: true });
  }
}

/** Runs the demo with results in `out`, which is `seen` from here. */
async function runDemo(deno: DenoCommand, out: string, seen: string, signal: AbortSignal): Promise<Demo> {
  const options = ["--engine", "webgpu", "--json", "--out", out];
  const command = deno(["run", "--quiet", "--allow-all", "src/cli/main.ts", "demo", ...options], {
    stdout: "piped",
    stderr: "inherit",
  });
  const { success, stdout } = await untilAborted(command, signal, (child) => child.output());
  if (!success) throw new Error("The demo failed; see above");
  const { run, redraws } = JSON.parse(new TextDecoder().decode(stdout));
  const plan: { model: PlanModel; masks: unknown } = JSON.parse(await Deno.readTextFile(join(seen, "plan.json")));
  return {
    adapter: run.engine.adapter,
    scores: (await readScores(join(seen, "scores.safetensors"), plan.model)).result.scores.values,
    plan: JSON.stringify(plan.masks),
    accuracies: JSON.stringify(redraws.redraws.map(({ accuracy }: { accuracy: unknown }) => accuracy)),
  };
}
