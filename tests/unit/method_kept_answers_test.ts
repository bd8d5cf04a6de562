/** Answers that outlive an interruption: in a folder of their own, and in that of a run. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { Intervention, Progress } from "../../src/engine/engine.ts";
import { keepAnswers, removeKeptAnswers } from "../../src/method/kept_answers.ts";
import { begunEngineName, keptAnswersName } from "../../src/method/earlier_run.ts";
import { type FolderRun, runInFolder } from "../../src/method/run_folder.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { ToyEngine, toyExample } from "../support/toy_engine.ts";

const mask = (...neurons: number[]): Intervention => [{ layer: 0, site: "gate", neurons: Uint32Array.from(neurons) }];

function toy(): ToyEngine {
  return new ToyEngine({
    layers: 2,
    neurons: 4,
    gate: (example, layer, neuron) => 1 + example / 10 + layer + neuron / 3,
    logProbs: (example, pruned) => [-Math.sqrt(example + 1) - Number(pruned(0, 1)), example === 3 ? -1e-320 : -2 / 3],
  });
}

/** Examples `first` and on; the toy looks at the first token alone. */
const examples = (first: number, count: number, tokens = 1) =>
  Array.from({ length: count }, (_, index) => {
    const prompt = new Uint32Array(tokens);
    prompt[0] = first + index;
    return { ...toyExample(first + index), prompt };
  });

/** Ids of the examples of every call for choices. */
const asked = (engine: ToyEngine) =>
  engine.callsOf("choiceLogProbs").map(({ examples }) => examples!.map((id) => Number(id.slice(4))));

const interventions = [[], mask(1), mask(2)];

/** The bytes of a file, with NaN as its last number. */
async function withNaN(path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(await readFile(path));
  new DataView(bytes.buffer).setFloat64(bytes.length - 8, NaN, true);
  return bytes;
}

/** The bytes of a file, whose last number is another finite one in its last digit. */
async function withFlippedBit(path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(await readFile(path));
  bytes[bytes.length - 8] ^= 1;
  return bytes;
}

Deno.test("keepAnswers() gives the engine's bits in blocks, and after an interruption asks for the missing blocks", async () => {
  await withFolder({}, async (root) => {
    const folder = join(root, "kept");
    const all = examples(0, 7);
    const expected = await toy().choiceLogProbs(all, interventions);
    const settings = { namespace: "a", rowsPerBlock: 6 };
    const engine = toy();
    const controller = new AbortController();
    const steps: number[] = [];
    const first = keepAnswers(engine, folder, settings);
    assertEquals(await readdir(root), []);
    const stopped = first.choiceLogProbs(all, interventions, {
      signal: controller.signal,
      onProgress({ done, total }) {
        steps.push(done);
        assertEquals(total, 21);
        if (steps.length === 2) controller.abort(new Error("stop"));
      },
    });
    await assertRejects(() => stopped, Error, "stop");
    assertEquals([steps, asked(engine), first.hasFound], [[6, 12], [[0, 1], [2, 3]], false]);

    const again = keepAnswers(engine, folder, settings);
    const reports: (number | undefined)[][] = [];
    const onProgress = ({ done, takenOver }: Progress) => void reports.push([done, takenOver]);
    assertEquals(await again.choiceLogProbs(all, interventions, { onProgress }), expected);
    assertEquals(reports, [[18, 12], [21, 12]]);
    assertEquals([asked(engine).slice(2), again.hasFound], [[[4, 5], [6]], true]);
    // Other weights: other answers.
    const other = keepAnswers(engine, folder, { ...settings, namespace: "b" });
    assertEquals(await other.choiceLogProbs(all, interventions), expected);
    assertEquals([asked(engine).length, other.hasFound], [8, false]);
    await removeKeptAnswers(folder);
    await removeKeptAnswers(folder);
    assertEquals(await readdir(root), []);
  });
});

Deno.test("keepAnswers() keeps no block with a number that is not finite, and asks for it again", async () => {
  await withFolder({}, async (root) => {
    const all = examples(0, 6);
    const settings = { namespace: "a", rowsPerBlock: 6 };
    const expected = await toy().choiceLogProbs(all, interventions);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const folder = join(root, String(bad));
      const wrong = toy();
      const choices = wrong.choiceLogProbs.bind(wrong);
      wrong.choiceLogProbs = async (some, ...rest) => {
        const found = await choices(some, ...rest);
        if (some[0].id === "toy/2") found[1][0][1] = bad;
        return found;
      };
      assertEquals((await keepAnswers(wrong, folder, settings).choiceLogProbs(all, interventions))[1][2][1], bad);
      assertEquals((await readdir(folder)).length, 2);
      const engine = toy();
      assertEquals(await keepAnswers(engine, folder, settings).choiceLogProbs(all, interventions), expected);
      assertEquals(asked(engine), [[2, 3]]);
    }
  });
});

Deno.test("keepAnswers() asks again for what damaged, foreign or empty files held, and replaces them", async () => {
  await withFolder({}, async (folder) => {
    const all = examples(0, 12);
    const settings = { namespace: "a", rowsPerBlock: 6 };
    const expected = await toy().choiceLogProbs(all, interventions);
    await keepAnswers(toy(), folder, settings).choiceLogProbs(all, interventions);
    const [short, half, none, other, flipped] = (await readdir(folder)).sort().map((name) => join(folder, name));
    await truncate(short, (await readFile(short)).length - 8);
    await truncate(half, 40);
    await truncate(none, 0);
    await writeFile(other, await withNaN(other));
    await writeFile(flipped, await withFlippedBit(flipped));
    await mkdir(join(folder, "folder.safetensors"));
    const engine = toy();
    const again = keepAnswers(engine, folder, settings);
    assertEquals([await again.choiceLogProbs(all, interventions), again.hasFound], [expected, true]);
    assertEquals(asked(engine).length, 5);
    const mended = toy();
    assertEquals(await keepAnswers(mended, folder, settings).choiceLogProbs(all, interventions), expected);
    assertEquals([asked(mended), (await readdir(folder)).length], [[], 6]);
  });
});

Deno.test("keepAnswers() asks for an example of many rows alone", async () => {
  await withFolder({}, async (folder) => {
    const engine = toy();
    const mixed = [...examples(0, 2), ...examples(2, 1, 50), ...examples(3, 1)];
    await keepAnswers(engine, folder, { namespace: "a", rowsPerBlock: 20 }).choiceLogProbs(mixed, interventions);
    assertEquals(asked(engine), [[0, 1], [2], [3]]);
    // Choices with prompts of their own have the rows of all of them.
    const [{ prompt }] = examples(9, 1, 3);
    const own = { ...toyExample(9), prompt, prompts: [prompt, prompt] };
    await keepAnswers(engine, folder, { namespace: "a", rowsPerBlock: 20 }).choiceLogProbs([own, own], interventions);
    assertEquals(asked(engine).slice(3), [[9]]);
  });
});

Deno.test("runInFolder() goes on in the middle of its evaluation, to the bytes of an undisturbed run", async () => {
  await withFolder({}, async (root) => {
    // So long that each is a block.
    const test = examples(100, 4, 32_768);
    const run = (engine: ToyEngine, folder: string, resume: boolean, signal?: AbortSignal) => {
      const provenance = { model: "toy", task: "none", versions: { secateur: "0" } };
      const planned: FolderRun = {
        input: {
          engine,
          adaptation: examples(0, 3),
          test,
          search: { fractions: [0.25, 0.5] },
          ...(signal && { signal }),
        },
        folder,
        resume,
        checkpoint: null,
        provenance,
        arguments: [],
        tokenText: String,
      };
      return runInFolder(planned);
    };
    const tested = (engine: ToyEngine) => asked(engine).filter(([first]) => first >= 100).flat();
    const [alone, out, updated, other] = ["alone", "out", "updated", "other"].map((name) => join(root, name));
    for (const folder of [alone, out, updated, other]) await mkdir(folder);
    const undisturbed = toy();
    assertEquals((await run(undisturbed, alone, false)).earlier, null);
    assertEquals(tested(undisturbed), [100, 101, 102, 103]);

    /** Stops a run when it has answered two of its four test examples. */
    const interrupt = async (folder: string) => {
      const controller = new AbortController();
      const engine = toy();
      const choices = engine.choiceLogProbs.bind(engine);
      engine.choiceLogProbs = (some, ...rest) => {
        if (some[0].id === "toy/102") controller.abort(new Error("stop"));
        return choices(some, ...rest);
      };
      await assertRejects(() => run(engine, folder, false, controller.signal), Error, "stop");
      const left = [keptAnswersName, begunEngineName, "grid.json", "plan.json", "scores.safetensors"];
      assertEquals((await readdir(folder)).sort(), left);
    };
    await interrupt(out);
    const resumed = toy();
    const { earlier, files } = await run(resumed, out, true);
    assertEquals(tested(resumed), [102, 103]);
    assertEquals([earlier!.answers, earlier!.scored !== undefined], [true, true]);
    assert(files.every((file) => !file.includes(keptAnswersName)));
    assertEquals((await readdir(out)).sort(), (await readdir(alone)).sort());
    for (const name of ["answers.json", "traces.json", "grid.json", "plan.json", "scores.safetensors"]) {
      assertEquals(await readFile(join(out, name), "utf8"), await readFile(join(alone, name), "utf8"), name);
    }

    // Answers of another runtime may have other last bits.
    const { versions } = process;
    Object.defineProperty(process, "versions", { value: { ...versions, deno: "0.0.0" } });
    try {
      await interrupt(updated);
    } finally {
      Object.defineProperty(process, "versions", { value: versions });
    }
    const newer = toy();
    await run(newer, updated, true);
    assertEquals(tested(newer), [100, 101, 102, 103]);

    // A run that does not resume takes nothing over.
    await interrupt(other);
    const anew = toy();
    await run(anew, other, false);
    assertEquals(tested(anew), [100, 101, 102, 103]);
  });
});
