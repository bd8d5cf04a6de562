/** `secateur eval` beside another plan or checkpoint, and the files it writes, as a process. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { evaluate } from "../../src/cli/eval.ts";
import { plain } from "../../src/cli/style.ts";
import { bytesReadDuring } from "../support/bytes_read.ts";
import { writeTinyProject } from "../trust/tiny_project.ts";
import { demoModel, demoTask, secateur, withFolder } from "./program.ts";

const evaluation = ["eval", "--model", demoModel, "--task", demoTask, "--limit", "16"];

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await secateur(args);
  // A plan that was written by hand cannot say which weights it is for, and the program says so.
  const rest = stderr.replaceAll(/^\S+ does not say which weights it was found on: .*\n/gm, "");
  assertEquals({ code, stderr: rest }, { code: 0, stderr: "" });
  return stdout;
}

/** A plan that switches off the first neurons of a layer, and the checkpoint pruned by it. */
async function prunedModel(folder: string): Promise<{ plan: string; pruned: string }> {
  const { family, layers, width, neurons } = JSON.parse(await succeed("info", "--model", demoModel, "--json"));
  const plan = `${folder}/plan.json`;
  const off = Array.from({ length: Math.round(neurons / 2) }, (_, neuron) => neuron);
  await Deno.writeTextFile(
    plan,
    JSON.stringify({
      format: "secateur-plan",
      version: 1,
      model: { family, layers, width, neurons },
      masks: [{ layer: layers - 1, site: "gate", fraction: null, neurons: off }],
      chosen: {},
    }),
  );
  await succeed("prune", "--model", demoModel, "--plan", plan, "--out", `${folder}/pruned`);
  return { plan, pruned: `${folder}/pruned` };
}

Deno.test("secateur eval compares a plan, or the checkpoint pruned by it, with the model row by row", async () => {
  await withFolder(async (folder) => {
    const { plan, pruned } = await prunedModel(folder);
    const results = `${folder}/new/results.json`;
    const samples = `${folder}/new/samples.jsonl`;
    const masked = JSON.parse(
      await succeed(
        ...evaluation,
        "--plan",
        plan,
        "--compare",
        "--output",
        results,
        "--log-samples",
        samples,
        "--json",
      ),
    );
    assertEquals(masked.notes, [
      `${plan} does not say which weights it was found on: they may be others than ${demoModel}.`,
    ]);
    const comparison = masked.comparison.metrics.acc;
    const { bothRight, onlyA, onlyB, bothWrong, accuracyA, interval } = comparison;
    assertEquals(bothRight + onlyA + onlyB + bothWrong, 16);
    assertEquals(accuracyA, masked.metrics.acc.accuracy);
    assertEquals(interval[0] <= comparison.difference && comparison.difference <= interval[1], true);
    assertEquals(masked.comparison.b, { model: demoModel, plan: null });

    // The other way round, with the written checkpoint on the other side.
    const turned = JSON.parse(await succeed(...evaluation, "--against", pruned, "--json"));
    const { onlyA: turnedA, onlyB: turnedB, pValue } = turned.comparison.metrics.acc;
    assertEquals([turnedA, turnedB, pValue], [onlyB, onlyA, comparison.pValue]);

    const written = JSON.parse(await Deno.readTextFile(results));
    const [name] = Object.keys(written.results);
    assertEquals(written.results[name]["acc,none"], accuracyA);
    assertEquals(written["n-samples"][name], { original: 512, effective: 16 });
    assertEquals(written.secateur.comparison.metrics.acc, comparison);
    const lines = (await Deno.readTextFile(samples)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines, written.samples[name]);
    assertEquals(
      lines.map(({ log_probs }) => log_probs),
      masked.examples.map(({ logProbs }: { logProbs: unknown }) => logProbs),
    );
    const onlyByA = lines.filter(({ acc, against }) => acc === 1 && against.acc === 0);
    assertEquals(onlyByA.length, onlyA);

    const printed = await succeed(...evaluation, "--plan", plan, "--against-plan", plan);
    assertMatch(printed, /^ {2}only by A +0$/m);
    assertMatch(printed, /^difference of acc, A - B: \+0\.0000, .* McNemar p = 1\.0000$/m);
  });
});

Deno.test("secateur eval exits before anything is computed when a comparison or a file makes no sense", async () => {
  await withFolder(async (folder) => {
    const cases: [string[], number, string][] = [
      [["--compare"], 2, "--compare needs --plan"],
      [["--compare", "--plan", "p", "--against", "m"], 2, "--compare does not go with --against"],
      [["--output", folder], 1, "is no file"],
      [
        ["--output", `${folder}/r.json`, "--log-samples", `${folder}/./r.json`],
        2,
        "--output and --log-samples are the same file",
      ],
      [["--against", `${folder}/none`, "--plan", `${folder}/none.json`], 1, "none.json"],
    ];
    for (const [args, code, expected] of cases) {
      const outcome = await secateur([...evaluation, ...args]);
      assertEquals([outcome.code, outcome.stdout], [code, ""]);
      assertStringIncludes(outcome.stderr, expected);
      assertMatch(outcome.stderr, /^Error: .*\nHint: /);
    }
  });
});

Deno.test("secateur eval --against reads as much of the other model with a plan as without one", async () => {
  await withFolder(async (folder) => {
    // Two models of which next to all is projections, as of large ones.
    const shape = { neurons: 4000, vocabulary: 272 };
    const { model, task } = await writeTinyProject(`${folder}/a`, shape);
    const { model: other } = await writeTinyProject(`${folder}/b`, { ...shape, seed: 2 });
    const { family, layers, width, neurons } = JSON.parse(await succeed("info", "--model", model, "--json"));
    const plan = `${folder}/plan.json`;
    const masks = [{ layer: 0, site: "gate", fraction: null, neurons: [1] }];
    const named = { family, layers, width, neurons };
    await Deno.writeTextFile(
      plan,
      JSON.stringify({ format: "secateur-plan", version: 1, model: named, masks, chosen: {} }),
    );
    const options = ["--model", model, "--task", task, "--limit", "1", "--engine", "reference", "--against", other];
    const signal = new AbortController().signal;
    const context = { typed: [], signal, onProgress: () => {}, style: plain, note: () => {} };
    const bytes = async (...more: string[]) =>
      await bytesReadDuring(() => evaluate.execute([...options, ...more], context));
    // What is read once only, such as modules, is no part of the difference.
    await bytes();
    const [without, withPlan] = [await bytes(), await bytes("--against-plan", plan)];
    const { size } = await Deno.stat(`${other}/model.safetensors`);
    assert(size > 1e6);
    if (without !== null && withPlan !== null) {
      assert(withPlan - without < 0.3 * size, `${withPlan - without} of ${size} bytes`);
    }
  });
});
