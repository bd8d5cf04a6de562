/** Whether the folder of a run has it complete, as it would be run again. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  begunEngineName,
  begunKernels,
  type CompletableRun,
  findCompleteRun,
  OtherOptionsError,
  readEarlier,
} from "../../src/method/earlier_run.ts";
import { noteStage, stageOrigin } from "../../src/method/begun_engine.ts";
import { runInFolder } from "../../src/method/run_folder.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

const toy = () =>
  new ToyEngine({
    layers: 2,
    neurons: 4,
    gate: (example, layer, neuron) => 1 + example / 10 + layer + neuron / 3,
    logProbs: (example, pruned) => [-Math.sqrt(example + 1) - Number(pruned(0, 1)), -2 / 3],
  });

/** A run that is complete in a folder. */
async function completeRun(folder: string): Promise<CompletableRun> {
  const engine = toy();
  const input = {
    engine,
    adaptation: toyExamples(3),
    test: [toyExample(7), toyExample(8)],
    search: { fractions: [0.25, 0.5] },
  };
  const provenance = { model: "toy", task: "none", versions: { secateur: "0" } };
  await mkdir(folder, { recursive: true });
  const run = { input, folder, provenance };
  await runInFolder({ ...run, resume: false, checkpoint: null, arguments: [], tokenText: String });
  return { ...run, input: { ...input, engine: { config: engine.config } }, engine: "reference", prunes: false };
}

Deno.test("findCompleteRun() finds the results of a run that would be the same again", async () => {
  await withFolder({}, async (root) => {
    const folder = join(root, "run");
    const run = await completeRun(folder);
    assertEquals((await readdir(folder)).includes(begunEngineName), false);
    const found = await findCompleteRun(run);
    assertEquals(found!.record, JSON.parse(await readFile(join(folder, "run.json"), "utf8")));
    assertEquals(found!.answers.examples.map(({ id }) => id), ["toy/7", "toy/8"]);
    assert(await findCompleteRun({ ...run, engine: "auto" }) !== null);
  });
});

/** The run as it is when something of it changed. */
type Change = (run: CompletableRun) => Promise<CompletableRun> | CompletableRun;

/** What a complete run lacks so that it is computed. */
const open: Record<string, Change> = {
  "a pruned copy that is wanted": (run) => ({ ...run, prunes: true }),
};
for (const name of ["run.json", "answers.json", "traces.json", "grid.json", "scores.safetensors"]) {
  open[`no ${name}`] = async (run) => {
    await rm(join(run.folder, name));
    return run;
  };
}
for (const name of ["answers.json", "traces.json"]) {
  open[`other bytes of ${name}`] = async (run) => {
    const path = join(run.folder, name);
    await writeFile(path, `${await readFile(path, "utf8")} `);
    return run;
  };
}

for (const [what, change] of Object.entries(open)) {
  Deno.test(`findCompleteRun() finds nothing with ${what}`, async () => {
    await withFolder({}, async (root) => {
      assertEquals(await findCompleteRun(await change(await completeRun(join(root, "run")))), null);
    });
  });
}

/** The run with changes of its input. */
const withInput = (run: CompletableRun, input: Partial<CompletableRun["input"]>): CompletableRun => ({
  ...run,
  input: { ...run.input, ...input },
});

/** The run with changes of where it comes from. */
const withProvenance = (run: CompletableRun, provenance: Partial<CompletableRun["provenance"]>): CompletableRun => ({
  ...run,
  provenance: { ...run.provenance, ...provenance },
});

/** Changes that a complete run is refused for, by what the refusal names. */
const others: Record<string, (run: CompletableRun) => CompletableRun> = {
  "--seed 0 there, 1 here": (run) => withInput(run, { seed: 1 }),
  "--random-draws 5 there, 4 here": (run) => withInput(run, { randomDraws: 4 }),
  "the search of a random order true there, false here": (run) => withInput(run, { randomSearch: false }),
  "the test rows (2 there, 1 here)": (run) => withInput(run, { test: run.input.test.slice(1) }),
  "the test rows (others)": (run) => withInput(run, { test: run.input.test.toReversed() }),
  "the test rows or their prompts (another digest)": (run) => {
    const [first, ...rest] = run.input.test;
    return withInput(run, { test: [{ ...first, gold: 1 - first.gold }, ...rest] });
  },
  "the rows or their prompts (another digest)": (run) => {
    const [first, ...rest] = run.input.adaptation;
    return withInput(run, { adaptation: [{ ...first, prompt: Uint32Array.of(99) }, ...rest] });
  },
  "--engine reference there, webgpu here": (run) => ({ ...run, engine: "webgpu" }),
  "--skip-bad-rows false there, true here": (run) => ({ ...run, skippedRows: {} }),
  "--nodes none there, 3 here; --tolerance 0.01 there, 0.1 here": (run) =>
    withInput(run, { score: { nodes: 3, tolerance: 0.1 } }),
  "--fractions 0.25,0.5 there, 0.5 here": (run) => withInput(run, { search: { fractions: [0.5] } }),
  "--search-layers 0,1 there, 1 here": (run) => withInput(run, { search: { ...run.input.search, layers: [1] } }),
  "the adaptation rows (3 there, 2 here)": (run) => withInput(run, { adaptation: toyExamples(2) }),
  "the version secateur@0 there, secateur@1 here": (run) => withProvenance(run, { versions: { secateur: "1" } }),
  '--model toy there, "a\\u001b[31m" here': (run) => withProvenance(run, { model: "a\x1b[31m" }),
  "the rows (another digest)": (run) => withProvenance(run, { dataSha256: "a" }),
  "the weights (another digest)": (run) => withProvenance(run, { weights: "1:a" }),
  "--truncate none there, 8 here": (run) => withProvenance(run, { truncated: 8 }),
};

for (const [what, change] of Object.entries(others)) {
  Deno.test(`readEarlier() refuses a complete run and names ${what}`, async () => {
    await withFolder({}, async (root) => {
      const run = await completeRun(join(root, "run"));
      const wanted = change(run);
      const before = await readdir(run.folder);
      for (const read of [findCompleteRun, readEarlier]) {
        const { message } = await assertRejects(() => read(wanted), OtherOptionsError);
        assertStringIncludes(message, ` is of another run: `);
        assertStringIncludes(message, what);
      }
      // As a kill before the end leaves it: what was scored and searched decides.
      await rm(join(run.folder, "run.json"));
      const isLater = /--seed|--random-draws|random order|test rows|--skip-bad-rows|--engine/.test(what);
      if (isLater) assertEquals((await readEarlier(wanted)).pruned, false);
      else assertStringIncludes((await assertRejects(() => readEarlier(wanted), OtherOptionsError)).message, what);
      assertEquals((await readdir(run.folder)).length, before.length - 1);
    });
  });
}

Deno.test("findCompleteRun() names the first of many differences, and counts the others", async () => {
  await withFolder({}, async (root) => {
    const run = await completeRun(join(root, "run"));
    const wanted = withInput({ ...run, engine: "webgpu" }, {
      seed: 2,
      randomDraws: 7,
      score: { tolerance: 0.5, maxNodes: 32, objective: "margin" },
    });
    await assertRejects(
      () => findCompleteRun(wanted),
      OtherOptionsError,
      "run.json is of another run: --engine reference there, webgpu here; --seed 0 there, 2 here; " +
        "--objective max-logit there, margin here; --max-nodes 64 there, 32 here; and 2 more",
    );
  });
});

Deno.test("findCompleteRun() refuses scores or a grid that changed since", async () => {
  await withFolder({}, async (root) => {
    const run = await completeRun(join(root, "run"));
    for (const name of ["grid.json", "scores.safetensors"]) {
      const path = join(run.folder, name);
      const bytes = await readFile(path);
      const flipped = Uint8Array.from(bytes);
      flipped[flipped.length - 5] ^= 1;
      await writeFile(path, flipped);
      await assertRejects(() => findCompleteRun(run), OtherOptionsError, `${name} was changed since`);
      await writeFile(path, bytes);
    }
    assert(await findCompleteRun(run) !== null);
  });
});

Deno.test("runInFolder() notes what computes before the record of a complete run goes", async () => {
  await withFolder({}, async (root) => {
    const { folder, input, provenance } = await completeRun(join(root, "run"));
    const run = { folder, input: { ...input, engine: toy() }, provenance };
    // The record does not go, so that nothing after it is done.
    await rm(join(folder, "run.json"));
    await mkdir(join(folder, "run.json"));
    await assertRejects(() =>
      runInFolder({ ...run, resume: true, checkpoint: null, arguments: [], tokenText: String })
    );
    assert((await readdir(folder)).includes(begunEngineName));
  });
});

/** Stops a run after a stage, as a kill would, and gives what it was to compute. */
async function interruptedRun(folder: string, after: "score" | "search", seed = 0): Promise<CompletableRun> {
  const engine = toy();
  const input = { engine, seed, adaptation: toyExamples(3), test: [toyExample(7)], search: { fractions: [0.25] } };
  const stop = () => Promise.reject(new Error("killed"));
  const provenance = { model: "toy", task: "none", versions: { secateur: "0" } };
  const run = { input, folder, provenance };
  const more = { resume: false, checkpoint: null, arguments: [], tokenText: String };
  await mkdir(folder, { recursive: true });
  const stopped = { ...input, ...(after === "score" ? { onScored: stop } : { onSearched: stop }) };
  await assertRejects(() => runInFolder({ ...run, ...more, input: stopped }), Error, "killed");
  return { ...run, input: { ...input, engine: { config: engine.config } }, engine: "reference", prunes: false };
}

Deno.test("readEarlier() takes over nothing that another kind of engine computed, as far as anything tells", async () => {
  for (const [after, file] of [["score", "scores.safetensors"], ["search", "grid.json"]] as const) {
    await withFolder({}, async (root) => {
      const run = await interruptedRun(join(root, "run"), after);
      const begun = join(run.folder, begunEngineName);
      const [first, second] = [await readEarlier(run), await readEarlier({ ...run, engine: "auto" })];
      assertEquals([first, first.stages[after]?.kind], [second, "reference"]);
      const other = () => assertRejects(() => readEarlier({ ...run, engine: "webgpu" }), OtherOptionsError);
      assertStringIncludes((await other()).message, "is of another run: --engine reference there, webgpu here");
      // A record of an earlier version, or of a kill before the note, tells what the run was begun with.
      await writeFile(begun, '{"kind": "reference", "adapter": "A", "kernels": null}');
      await other();
      // Another file has come in the place of the one that was noted.
      const notes = { kind: "reference", stages: { [after]: { kind: "reference", seconds: 1, sha256: "0" } } };
      await writeFile(begun, JSON.stringify({ ...notes, kind: after === "score" ? "reference" : "webgpu" }));
      assertEquals((await readEarlier({ ...run, engine: "webgpu" })).stages[after]?.kind, null, file);
      await rm(begun);
      assertEquals((await readEarlier({ ...run, engine: "webgpu" })).stages[after]?.kind, null);
      // Nothing was computed yet.
      await rm(join(run.folder, "scores.safetensors"));
      await writeFile(begun, '{"kind": "reference", "adapter": "A", "kernels": null}');
      assertEquals((await readEarlier({ ...run, engine: "webgpu" })).scored, undefined);
    });
  }
});

Deno.test("readEarlier() names the seed of an interrupted run where other rows were drawn", async () => {
  await withFolder({}, async (root) => {
    const run = await interruptedRun(join(root, "run"), "score", 3);
    const other = {
      ...run,
      input: { ...run.input, seed: 4, adaptation: [toyExample(4), toyExample(5), toyExample(6)] },
    };
    await assertRejects(
      () => readEarlier(other),
      OtherOptionsError,
      "scores.safetensors is of another run: --seed 3 there, 4 here; the adaptation rows (others)",
    );
    // The same rows may be drawn with any seed, if there are no others.
    assertEquals((await readEarlier({ ...run, input: { ...run.input, seed: 4 } })).scored?.examples.length, 3);
  });
});

Deno.test("noteStage() tells what computed a file and for how long, and a run that takes it over keeps that", async () => {
  await withFolder({}, async (root) => {
    const folder = join(root, "run");
    const run = await interruptedRun(folder, "search");
    const begun = join(folder, begunEngineName);
    for (const [stage, name, seconds] of [["score", "scores.safetensors", 500], ["search", "grid.json", 70]] as const) {
      const origin = await stageOrigin(join(folder, name), "reference", seconds);
      await noteStage(begun, stage, origin);
      await noteStage(begun, stage, origin);
    }
    const rest = { resume: true, checkpoint: null, arguments: [], tokenText: String };
    const runAgain = () => runInFolder({ ...run, ...rest, input: { ...run.input, engine: toy() } });
    const { record } = await runAgain();
    assertEquals([record.seconds.score, record.seconds.search], [500, 70]);
    assert(record.seconds.total > 570 && record.seconds.total < 670);
    // Of a complete run that lacks a file, its record tells.
    await rm(join(folder, "answers.json"));
    const { record: again } = await runAgain();
    assertEquals([again.seconds.score, again.seconds.search], [500, 70]);
    await rm(join(folder, "run.json"));
    assertEquals((await runAgain()).record.seconds.score, 0);
    await assertRejects(
      () => runInFolder({ ...run, ...rest, input: { ...run.input, seed: 9, engine: toy() } }),
      OtherOptionsError,
      "--seed 0 there, 9 here",
    );
  });
});

Deno.test("begunKernels() reads the kernels of an interrupted run, else those of a complete one", async () => {
  await withFolder({}, async (root) => {
    const folder = join(root, "run");
    assertEquals(await begunKernels(folder), undefined);
    await completeRun(folder);
    // The toy has none.
    assertEquals(await begunKernels(folder), undefined);
    const record = JSON.parse(await readFile(join(folder, "run.json"), "utf8"));
    record.engine = { kind: "webgpu", adapter: "A", details: { kernels: "tile" } };
    await writeFile(join(folder, "run.json"), JSON.stringify(record));
    assertEquals(await begunKernels(folder), { adapter: "A", variant: "tile" });
    for (
      const [content, expected] of [
        ['{"adapter": "B", "kernels": "subgroup"}', { adapter: "B", variant: "subgroup" }],
        ['{"adapter": "B", "kernels": "cuda"}', { adapter: "A", variant: "tile" }],
        ['{"adapter": 3}', { adapter: "A", variant: "tile" }],
        ["{", { adapter: "A", variant: "tile" }],
      ] as const
    ) {
      await writeFile(join(folder, begunEngineName), content);
      assertEquals(await begunKernels(folder), expected);
    }
  });
});
