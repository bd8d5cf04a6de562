/**
 * The same scores from one process after another: kernels are chosen by a timed trial in each, and every second one compiles
 * them anew instead of taking them from Mesa's cache.
 */
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { demoModel, demoTask, secateur } from "../cli/program.ts";

/** What one process chose and wrote. */
interface Repeat {
  readonly adapter: string;
  readonly kernels: string;
  /** SHA-256 of `scores.safetensors`. */
  readonly digest: string;
}

/**
 * Scores the bundled model in `count` processes, one at a time.
 *
 * @param folder For their results.
 * @returns What all of them chose and wrote.
 * @throws {AssertionError} If one of them failed, chose other kernels or wrote other bytes.
 */
export async function repeatScores(folder: string, count: number): Promise<Repeat> {
  const repeats: Repeat[] = [];
  for (let i = 0; i < count; i++) {
    const out = join(folder, `repeat ${i}`);
    const work = ["--model", demoModel, "--task", demoTask, "--nodes", "4", "--adaptation-examples", "3"];
    const env: Record<string, string> = i % 2 === 1 ? { MESA_SHADER_CACHE_DISABLE: "1" } : {};
    const { code, stdout, stderr } = await secateur(["score", ...work, "--out", out, "--json"], env);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const { kind, adapter, details } = JSON.parse(stdout).engine;
    assertEquals(kind, "webgpu");
    const digest = createHash("sha256").update(await readFile(join(out, "scores.safetensors"))).digest("hex");
    repeats.push({ adapter, kernels: details.kernels, digest });
    assertEquals(repeats[i], repeats[0], `process ${i + 1} of ${count}`);
  }
  return repeats[0];
}
