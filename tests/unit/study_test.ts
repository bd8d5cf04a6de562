import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { createMemoryStore } from "../../src/checkpoint/tensor_store.ts";
import { createCachedEngine } from "../../src/engine/cached.ts";
import { type StudyPart, studyParts } from "../../src/method/study/settings.ts";
import { parseStudy, runStudy, serialiseStudy, type StudyInput } from "../../src/method/study/study.ts";
import { studyMarkdown } from "../../src/report/study_markdown.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { type Outcome, outcomeOf } from "../support/outcome.ts";
import { studyToyEngine, studyToyInput } from "../support/study_toy.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { toyExample } from "../support/toy_engine.ts";

async function resultsOf(input: StudyInput) {
  return (await runStudy(input)).tasks[0].results;
}

Deno.test("runStudy() gives every part, which its schema reads back", async () => {
  const study = await runStudy(studyToyInput());
  const text = serialiseStudy(study);
  assertEquals(parseStudy("study.json", text), study);
  assertEquals(serialiseStudy(await runStudy(studyToyInput())), text);
  for (const part of studyParts) assert(study.tasks[0].results[part] !== null, part);
  const markdown = studyMarkdown(study, "secateur study");
  assert(markdown.startsWith("# Study of toy model\n"));
  assertEquals(markdown.match(/^### /gm)?.length, studyParts.length);
  assertEquals(markdown.match(/NaN|undefined|Infinity/), null);
});

Deno.test("parseStudy() names what is wrong in a document", async () => {
  const study = await runStudy(studyToyInput());
  const main = study.tasks[0].results.main!;
  const broken = (change: object) => JSON.stringify({ ...study, ...change });
  assertThrows(() => parseStudy("s.json", broken({ version: 2 })), SyntaxError, "version");
  const tasks = [{ ...study.tasks[0], results: { ...study.tasks[0].results, main: { ...main, rows: "30" } } }];
  assertThrows(() => parseStudy("s.json", broken({ tasks })), SyntaxError, "tasks[0].results.main.rows");
});

Deno.test("runStudy() chooses on adaptation examples only: the test rows decide nothing", async () => {
  const first = await resultsOf(studyToyInput());
  const input = studyToyInput();
  // Other test rows, of which some have the other choice right: every choice stays, every test number may change.
  const test = input.tasks[0].test.map((example, index) => ({
    ...toyExample(130 + index, index % 4 === 0 ? 1 : 0),
    id: example.id,
  }));
  const other = await resultsOf({ ...input, tasks: [{ ...input.tasks[0], test }] });
  const choices = ({ main, selection, samples }: typeof first) =>
    [main!, selection!.comparison, samples!.comparison].map(({ arms }) =>
      arms.map(({ redraws }) => redraws.map(({ chosen, examples }) => ({ chosen, examples })))
    );
  assertEquals(choices(other), choices(first));
  assert(other.main!.unpruned.correct !== first.main!.unpruned.correct);
});

Deno.test("runStudy() compares arms as their test answers say", async () => {
  const { main, projection, samples, grid, stability, examples } = await resultsOf(studyToyInput());
  assertEquals([main!.rows, main!.unpruned.correct], [30, 15]);
  const pruned = main!.arms.find(({ name }) => name === "pruned")!;
  assertEquals(
    pruned.redraws.map(({ correct, gained, lost }) => [correct, gained, lost]),
    new Array(3).fill([30, 15, 0]),
  );
  assertEquals([pruned.harmed, pruned.gain.mean, pruned.accuracy.mean], [0, 0.5, 1]);
  assertEquals(main!.arms.map(({ name }) => name), [
    "pruned",
    "gradient-activation",
    "mean-activation",
    "weight-magnitude",
    "lowest-attribution",
    "random",
  ]);
  // 6 arms, 3 redraws, 2 layers of 3 fractions and the unmodified model.
  assertEquals(main!.tried.configurations, 6 * 3 * 7);
  assertEquals(projection!.gateUpDifference, 0);
  assertEquals([samples!.sizes, samples!.tooLarge], [[2, 4], [80]]);
  const [, last] = samples!.comparison.arms;
  assertEquals(last.redraws[0].examples.slice(0, 2), samples!.comparison.arms[0].redraws[0].examples);
  assertEquals(grid!.layers.map(({ layer, chosen }) => [layer, chosen]), [[0, 0], [1, 3]]);
  assertEquals(grid!.layers[1].best.mean, 1);
  assertEquals([stability!.agreeOnLayer, stability!.pairs!.count], [3, 3]);
  const kept = Object.fromEntries(examples!.kept.map(({ filter, rows }) => [filter, rows]));
  assertEquals([kept.all, kept.correct, kept.incorrect], [40, 20, 20]);
});

Deno.test("runStudy() measures regret against the best cell of the grid", async () => {
  const { selection, grid } = await resultsOf(studyToyInput());
  assertEquals(selection!.bestCell.mean, 1);
  assertEquals(selection!.regret[0].rule, "paper");
  assertEquals(selection!.regret[0].gainOverPaper, { mean: 0, standardDeviation: 0, lowest: 0, highest: 0 });
  selection!.regret.forEach(({ regret }, index) => {
    assert(regret.lowest >= 0);
    const { mean } = selection!.comparison.arms[index].accuracy;
    assert(Math.abs(selection!.bestCell.mean - mean - regret.mean) < 1e-12);
  });
  assertEquals(grid!.unpruned, 0.5);
});

Deno.test("runStudy() compares attributions, several layers, shortcuts and contrast", async () => {
  const { attribution, layers, shortcuts, contrast } = await resultsOf(studyToyInput());
  const byLabel = new Map(attribution!.variants.map((variant) => [variant.label, variant]));
  assertEquals(byLabel.get("default")!.agreement, null);
  // In the made-up model a neuron's ablation is its Integrated Gradients, up to the error of the rule.
  assert(byLabel.get("ablation")!.agreement!.spearman! > 0.99);
  assert(byLabel.get("shapley")!.agreement!.spearman! > 0.99);
  assertEquals(attribution!.leftOut, ["Integrated Hessians: they need a float64 engine"]);
  assertEquals([attribution!.redraws, attribution!.unpruned], [1, 0.5]);

  const [one, forward, asForward] = layers!.comparison.arms;
  assertEquals([one.name, forward.name, asForward.name], ["one layer", "forward", "one layer as forward"]);
  assertEquals([one.accuracy.mean, forward.accuracy.mean], [1, 1]);
  asForward.redraws.forEach(({ neurons }, redraw) => assertEquals(neurons, forward.redraws[redraw].neurons));
  assertEquals([layers!.heldOut, layers!.forward.length], [4, 6]);

  const groups = shortcuts!.groups.map(({ mark, rows, before, after }) => [mark, rows, before, after.mean]);
  assertEquals(groups, [["even", 15, 1, 1], ["odd", 15, 0, 1]]);
  assertEquals(shortcuts!.damage.tasks.map(({ name, rows, before, after }) => [name, rows, before, after.mean]), [
    ["other toys", 20, 0.5, 1],
  ]);
  assert(shortcuts!.after.calibrationError < shortcuts!.before.calibrationError);

  assertEquals([contrast!.retained, contrast!.kept.unpruned, contrast!.kept.rows], ["even toys", 1, 2]);
  assertEquals(contrast!.comparison.arms.map(({ name }) => name), ["no contrast", "subtract", "divide"]);
});

Deno.test("runStudy() leaves out methods that cost passes for every neuron when the model has too many", async () => {
  const input = studyToyInput();
  const options = { ...input.options, parts: ["attribution" as const], exhaustiveNeurons: 39 };
  const { attribution } = await resultsOf({ ...input, options });
  assertEquals(attribution!.variants.some(({ label }) => label === "ablation" || label === "shapley"), false);
  assert(attribution!.leftOut[0].includes("40 neurons exceed the limit of 39"));
});

Deno.test("runStudy() takes a confidence for the part that filters by it, and refuses a grid that is empty at a site", async () => {
  const input = studyToyInput();
  const options = {
    ...input.options,
    parts: ["main", "examples", "attribution", "layers"] as readonly StudyPart[],
    score: { confidence: 0.6, maxNodes: 32 },
  };
  const { settings } = (await runStudy({ ...input, options })).tasks[0];
  assertEquals([settings.score.confidence, settings.score.filter], [0.6, "all"]);
  // 0.03 of 20 neurons is one; of 8 rows of down, none.
  const search = { fractions: [0.03] };
  for (const part of ["projection", "attribution"] as const) {
    await assertRejects(
      () => runStudy({ ...input, options: { ...options, search, parts: [part] } }),
      OptionError,
      `Cannot study the part ${part} with the fractions 0.03: they switch off none of the 8 rows of down`,
    );
  }
  await runStudy({ ...input, options: { ...options, search, parts: ["main"] } });
});

Deno.test("runStudy() keeps to the layers and the site asked for", async () => {
  const input = studyToyInput();
  for (const [site, layers] of [["up", [1]], ["down", [0, 1]]] as const) {
    const study = await runStudy({ ...input, options: { ...input.options, score: { site, layers } } });
    const { results, settings } = study.tasks[0];
    assertEquals([settings.score.site, settings.search.layers], [site, [...layers]]);
    assertEquals(results.grid!.layers.map(({ layer }) => layer), [...layers]);
    for (const { redraws } of results.main!.arms) {
      for (const { chosen } of redraws) {
        assert(chosen!.layer === null || layers.some((layer) => layer === chosen!.layer));
      }
    }
    const labels = results.attribution!.variants.map(({ label }) => label);
    assertEquals(labels.includes("path joint"), layers.length === 2);
    // Dimensions of the residual stream have no activations of their own.
    const names = results.main!.arms.map(({ name }) => name);
    assertEquals([names.includes("mean-activation"), results.shortcuts!.responses.length > 0], [
      site !== "down",
      site !== "down",
    ]);
    assertEquals(parseStudy("study.json", serialiseStudy(study)), study);
  }
});

Deno.test("runStudy() leaves the contrast out when nothing is to be retained", async () => {
  const { tasks: [{ retained: _, ...task }], ...input } = studyToyInput();
  const study = await runStudy({ ...input, tasks: [task], options: { ...input.options, parts: ["grid", "contrast"] } });
  assertEquals([study.tasks[0].results.contrast, study.tasks[0].settings.parts], [null, ["grid"]]);
});

Deno.test("runStudy() prompts with as many of the draw's examples as the model has positions for", async () => {
  const asked: (readonly string[])[] = [];
  const withWorked = async (maxWorked: number) => {
    asked.length = 0;
    const input = studyToyInput();
    const [task] = input.tasks;
    const testWithWorked: StudyInput["tasks"][number]["testWithWorked"] = (worked, only) => {
      asked.push(worked);
      // Each worked example takes so many positions that `maxWorked` of them fit into 16.
      const tokens = new Array(worked.length * Math.floor(14 / maxWorked)).fill(0);
      const rows = task.test.filter(({ id }) => only === undefined || only.includes(id));
      return Promise.resolve(rows.map((row) => ({ ...row, prompt: Uint32Array.of(...row.prompt, ...tokens) })));
    };
    const options = { ...input.options, parts: ["main" as const] };
    const { main } = await resultsOf({ ...input, options, tasks: [{ ...task, testWithWorked }] });
    return main!.arms.at(-1)!;
  };
  const some = await withWorked(2);
  assertEquals([some.name, some.isPartial], ["few-shot prompt", true]);
  assert(some.about.includes("2 of the 4 examples"), some.about);
  assertEquals(some.redraws[0].examples.length, 2);
  assertEquals(asked[0].length, 4);
  const all = await withWorked(4);
  assertEquals([all.isPartial, all.redraws[0].examples.length, all.redraws[0].neurons], [false, 4, 0]);
});

Deno.test("runStudy() prompts without examples where a question alone is cut, and says why it does not prompt", async () => {
  const prompted = async (tokensPerWorked: number, isCut: (index: number) => boolean) => {
    const input = studyToyInput();
    const [task] = input.tasks;
    const test = task.test.map((row, index) =>
      isCut(index) ? { ...row, prompt: Uint32Array.of(...row.prompt, ...new Array(14).fill(0)), cutTokens: 3 } : row
    );
    const asked = new Set<string>();
    const testWithWorked: StudyInput["tasks"][number]["testWithWorked"] = (worked, only) => {
      const tokens = new Array(worked.length * tokensPerWorked).fill(0);
      const rows = test.filter(({ id }) => only === undefined || only.includes(id));
      for (const { id } of rows) asked.add(id);
      return Promise.resolve(rows.map((row) => ({ ...row, prompt: Uint32Array.of(...row.prompt, ...tokens) })));
    };
    const options = { ...input.options, parts: ["main" as const] };
    const tasks = [{ ...task, test, testWithWorked }];
    const study = await runStudy({ ...input, options, tasks });
    const { main } = study.tasks[0].results;
    assertEquals(parseStudy("study.json", serialiseStudy(study)), study);
    const arm = main!.arms.find(({ name }) => name === "few-shot prompt");
    return {
      arm,
      leftOut: main!.leftOut,
      asked: asked.size,
      rows: main!.rows,
      report: studyMarkdown(study, "secateur study"),
    };
  };
  const some = await prompted(3, (index) => index < 2);
  assertEquals([some.arm!.isPartial, some.arm!.redraws[0].examples.length], [true, 4]);
  assertEquals([some.asked, some.rows, some.leftOut], [28, 30, undefined]);
  assertStringIncludes(some.arm!.about, "; 2 of the 30 questions, cut to fit alone, are asked without");
  const none = await prompted(20, () => false);
  assertEquals([none.arm, none.rows], [undefined, 30]);
  assertStringIncludes(none.leftOut!, "in 3 of 3 redraws not one example fits into 16 positions");
  assertStringIncludes(none.report, `Left out: ${none.leftOut}.`);
  const all = await prompted(3, () => true);
  assertEquals(all.leftOut, "few-shot prompt, for every question alone is cut to fit into 16 positions");
});

Deno.test("runStudy() runs only the parts asked for, and shares work through a cached engine", async () => {
  const input = studyToyInput();
  const engine = createCachedEngine(input.engine, createMemoryStore(), { namespace: "toy" });
  const options = { ...input.options, parts: ["stability", "main"] as const };
  const results = await resultsOf({ ...input, engine, options });
  assertEquals([results.main !== null, results.stability !== null, results.grid], [true, true, null]);
  const { computed } = engine.counts;
  // Stability looks at what the main table already scored and searched.
  await resultsOf({ ...input, engine, options: { ...input.options, parts: ["stability"] } });
  assertEquals(engine.counts.computed, computed);
});

Deno.test("runStudy() throws when the task cannot be studied", async () => {
  const input = studyToyInput();
  const [task] = input.tasks;
  const study = (change: Partial<StudyInput>) => () => runStudy({ ...input, ...change });
  await assertRejects(study({ tasks: [] }), RangeError, "Cannot study 0 tasks");
  await assertRejects(study({ tasks: [{ ...task, test: [] }] }), RangeError, "0 test examples");
  await assertRejects(study({ tasks: [{ ...task, pool: task.pool.slice(0, 3) }] }), RangeError, "the pool has 3 rows");
  const leak = { ...task, pool: [...task.pool, task.test[0]] };
  await assertRejects(study({ tasks: [leak] }), RangeError, "is in the pool and in the test split");
  await assertRejects(study({ options: { parts: ["all" as "main"] } }), RangeError, 'the part "all"');
  await assertRejects(study({ options: { redraws: 0 } }), RangeError, "redraws 0");
});

Deno.test("runStudy() stops when it is told to", async () => {
  const controller = new AbortController();
  const engine = studyToyEngine();
  const input = studyToyInput(engine);
  const onProgress = () => engine.calls.length === 5 && controller.abort(new Error("enough"));
  await assertRejects(() => runStudy({ ...input, signal: controller.signal, onProgress }), Error, "enough");
});

const program = fileURLToPath(new URL("../support/killed_study.ts", import.meta.url));

async function runProgram(args: readonly string[]): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", program, ...args],
    stdin: "null",
  });
  return await outcomeOf(command);
}

Deno.test("a study killed at ten random points and resumed each time gives the bytes of an uninterrupted one", async () => {
  await withFolder({}, async (whole) => {
    const { stdout: expected, stderr } = await runProgram([whole]);
    const writes = Number(stderr);
    assert(writes > 40, stderr);
    await withFolder({}, async (folder) => {
      const random = createRandom(11);
      for (let kill = 0; kill < 10; kill++) {
        // So many of the writes that are left that the ten kills go through the whole study.
        const at = 1 + random.nextBelow(Math.ceil(writes / 11));
        const moment = ["before", "during", "after"][random.nextBelow(3)];
        const { signal, stdout } = await runProgram([folder, String(at), moment]);
        assertEquals([signal, stdout], ["SIGKILL", ""], `kill ${kill}`);
      }
      const { signal, stdout, stderr: rest } = await runProgram([folder]);
      assertEquals([signal, stdout], [null, expected]);
      assert(Number(rest) < writes, "nothing was taken over");
    });
  });
});
