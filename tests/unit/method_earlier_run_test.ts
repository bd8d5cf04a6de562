/** Whether the folder of a run has it complete, as it would be run again. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  begunEngineName,
  begunKernels,
  type CompletableRun,
  findCompleteRun,
  OtherOptionsError,
} from "../../src/method/earlier_run.ts";
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

/** Changes after which something is to be computed. */
const open: Record<string, (run: CompletableRun) => Promise<CompletableRun> | CompletableRun> = {
  "another seed": (run) => ({ ...run, input: { ...run.input, seed: 1 } }),
  "another number of draws": (run) => ({ ...run, input: { ...run.input, randomDraws: 4 } }),
  "no random search": (run) => ({ ...run, input: { ...run.input, randomSearch: false } }),
  "fewer test rows": (run) => ({ ...run, input: { ...run.input, test: run.input.test.slice(1) } }),
  "another text of a test row": (run) => {
    const [first, ...rest] = run.input.test;
    return { ...run, input: { ...run.input, test: [{ ...first, prompt: Uint32Array.of(99) }, ...rest] } };
  },
  "another right answer of a test row": (run) => {
    const [first, ...rest] = run.input.test;
    return { ...run, input: { ...run.input, test: [{ ...first, gold: 1 - first.gold }, ...rest] } };
  },
  "another engine": (run) => ({ ...run, engine: "webgpu" }),
  "a pruned copy that is wanted": (run) => ({ ...run, prunes: true }),
  "rows that may be left out": (run) => ({ ...run, skippedRows: {} }),
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

Deno.test("findCompleteRun() refuses other options, and scores or a grid that changed since", async () => {
  await withFolder({}, async (root) => {
    const run = await completeRun(join(root, "run"));
    const others: CompletableRun[] = [
      { ...run, input: { ...run.input, score: { nodes: 3 } } },
      { ...run, input: { ...run.input, search: { fractions: [0.5] } } },
      { ...run, input: { ...run.input, adaptation: toyExamples(2) } },
      { ...run, provenance: { ...run.provenance, versions: { secateur: "1" } } },
    ];
    for (const other of others) {
      await assertRejects(() => findCompleteRun(other), OtherOptionsError, "was made with other options");
    }
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
