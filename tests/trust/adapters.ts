/** The same runs on two adapters: the driver that this machine takes by itself, and SwiftShader, the driver of Chromium. */
import { assert, assertEquals } from "@std/assert";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SWIFTSHADER_DRIVERS } from "../../tools/driver_tests.ts";
import { demoModel, demoTask, secateur } from "../cli/program.ts";

/** The driver beside this machine's own; null where there is none. */
export async function secondDriver(): Promise<string | null> {
  for (const driver of SWIFTSHADER_DRIVERS) if (await stat(driver).then(() => true, () => false)) return driver;
  return null;
}

/** What two adapters made of the same seed. */
export interface AdapterPair {
  readonly seed: number;
  readonly adapters: readonly [string, string];
  /** What each chose. */
  readonly chosen: readonly [string, string];
  /** Other configurations that tie with the first's choice on accuracy. */
  readonly tied: number;
  /** Whether the plans have the same neurons, and how many differ. */
  readonly samePlan: boolean;
  readonly otherNeurons: number;
  /** Worst difference of a score, of the layer's largest. */
  readonly worstScore: number;
}

/**
 * Runs the bundled model on both adapters and compares the plans.
 *
 * @param folder For the results.
 */
export async function runOnBoth(folder: string, driver: string, seed: number): Promise<AdapterPair> {
  const folders = [join(folder, `own ${seed}`), join(folder, `second ${seed}`)];
  const work = ["--model", demoModel, "--task", demoTask, "--seed", `${seed}`, "--limit", "8", "--random-draws", "1"];
  const adapters: string[] = [];
  const chosen: string[] = [];
  let tied = 0;
  for (const [index, out] of folders.entries()) {
    const env: Record<string, string> = index === 0 ? {} : { VK_DRIVER_FILES: driver };
    const { code, stdout, stderr } = await secateur(["run", ...work, "--out", out, "--json"], env);
    assertEquals(code, 0, stderr);
    const { engine, chosen: { layer, fraction }, tiedOnAccuracy } = JSON.parse(stdout).run ?? JSON.parse(stdout);
    adapters.push(engine.adapter);
    chosen.push(layer === null ? "nothing" : `layer ${layer}, ${+(100 * fraction).toFixed(1)} %`);
    if (index === 0) tied = tiedOnAccuracy - 1;
  }
  assert(adapters[0] !== adapters[1], `both ran on ${adapters[0]}`);
  const compared = await secateur(["compare", ...folders, "--json"]);
  assertEquals(compared.code, 0, compared.stderr);
  const { plan, scores } = JSON.parse(compared.stdout);
  return {
    seed,
    adapters: [adapters[0], adapters[1]],
    chosen: [chosen[0], chosen[1]],
    tied,
    samePlan: plan.same,
    otherNeurons: plan.onlyA + plan.onlyB,
    worstScore: scores.worst,
  };
}
