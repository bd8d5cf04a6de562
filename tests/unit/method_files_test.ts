import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeSafetensors, type NewTensor, readSafetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import {
  readGrid,
  readPlan,
  readRun,
  readScores,
  runFileNames,
  writeGrid,
  writePlan,
  writeRun,
  writeScores,
} from "../../src/method/files.ts";
import { parseGrid, serialiseGrid } from "../../src/method/grid_file.ts";
import { formatJson } from "../../src/method/json.ts";
import { type PipelineInput, runPipeline } from "../../src/method/pipeline.ts";
import { describeRun, parseRun, serialiseRun } from "../../src/method/run_record.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { decodeScores, encodeScores } from "../../src/method/scores_file.ts";
import { searchGrid } from "../../src/method/search.ts";
import { toyConfig, ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

const provenance = { model: "models/toy", task: "toy", versions: { secateur: "0.1.0" } };
const shape = { layers: 2, neurons: 5, width: 4 };
const config = toyConfig(shape);

function toyEngine(): ToyEngine {
  return new ToyEngine({
    ...shape,
    gate: (example, layer, neuron) => 0.1 * example + 0.3 * layer - 0.7 * neuron + 1 / 3,
    logProbs: (example, pruned) => [-1 / 3, -1 - (pruned(1, 0) ? 1 / 7 : 0) - example],
  });
}

function toyInput(): PipelineInput {
  return { engine: toyEngine(), adaptation: toyExamples(3), test: toyExamples(7).slice(3), seed: 11 };
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "method-files-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

Deno.test("the files of a run give back what was written", async () => {
  const input = toyInput();
  const result = await runPipeline(input);
  const run = describeRun(input, result, {
    provenance,
    startedAt: "2025-01-01T00:00:00Z",
    arguments: ["run", "--seed"],
  });
  await withFolder(async (folder) => {
    const path = (name: keyof typeof runFileNames) => join(folder, runFileNames[name]);
    await writeScores(path("scores"), result.scored, provenance);
    await writeGrid(path("grid"), result.searched, provenance);
    await writePlan(path("plan"), result.plans.pruned);
    await writeRun(path("run"), run);
    assertEquals(await readScores(path("scores"), config), { result: { ...result.scored, seconds: 0 }, provenance });
    assertEquals(await readGrid(path("grid"), config), { result: { ...result.searched, seconds: 0 }, provenance });
    assertEquals(await readPlan(path("plan"), config), result.plans.pruned);
    assertEquals(await readRun(path("run")), run);
  });
});

Deno.test("scores, grid and plan have the same bytes when the run is repeated", async () => {
  await withFolder(async (folder) => {
    const contents: Uint8Array[][] = [];
    for (const attempt of ["first", "second"]) {
      const { scored, searched, plans } = await runPipeline(toyInput());
      const paths = ["scores", "grid", "plan"].map((name) => join(folder, `${attempt}-${name}`));
      await writeScores(paths[0], scored, provenance);
      await writeGrid(paths[1], searched, provenance);
      await writePlan(paths[2], plans.pruned);
      contents.push(await Promise.all(paths.map((path) => readFile(path))));
    }
    assertEquals(contents[1], contents[0]);
  });
});

Deno.test("writeScores() names tensor and metadata when other tools open the file", async () => {
  const scored = await scoreNeurons(toyEngine(), toyExamples(2), { site: "up" });
  await withFolder(async (folder) => {
    const path = join(folder, runFileNames.scores);
    await writeScores(path, scored, provenance);
    const source = await openFileSource(path);
    const header = await readSafetensorsHeader(source);
    await source.close();
    const { dtype, shape } = header.tensors.get("up_proj")!;
    assertEquals([dtype, ...shape], ["F32", 2, 5]);
    assertEquals(JSON.parse(header.metadata.get("provenance")!), provenance);
    assertEquals(JSON.parse(header.metadata.get("settings")!).rule, "gauss-legendre");
    assertEquals(JSON.parse(header.metadata.get("completeness")!).worst, scored.completenessError.worst);
  });
});

Deno.test("decodeScores() gives back layers and null layers when layers are named or joint", async () => {
  for (const options of [{ layers: [1] }, { path: "joint" as const }]) {
    const scored = await scoreNeurons(toyEngine(), toyExamples(2), options);
    const source = memorySource("scores", concatenated(encodeScores(scored, provenance)));
    assertEquals((await decodeScores(source, config)).result, { ...scored, seconds: 0 });
  }
});

Deno.test("decodeScores() reads settings that nobody may ask for any more, as an earlier version wrote them", async () => {
  const scored = await scoreNeurons(toyEngine(), toyExamples(2), { nodes: 8 });
  const settings = { ...scored.settings, maxNodes: 16, confidence: 0.9 };
  const source = memorySource("scores", concatenated(encodeScores({ ...scored, settings }, provenance)));
  assertEquals((await decodeScores(source, config)).result.settings, settings);
});

Deno.test("decodeScores() throws when the file is another one or does not fit the model", async () => {
  const scored = await scoreNeurons(toyEngine(), toyExamples(2));
  const source = memorySource("scores", concatenated(encodeScores(scored, provenance)));
  const other = toyConfig({ ...shape, neurons: 6 });
  await assertRejects(() => decodeScores(source, other), RangeError, "shape [2,5], the model needs [2,6]");

  const rows: NewTensor[] = [{ name: "gate_proj", dtype: "F32", shape: [2, 5], data: new Float32Array(10) }];
  const metadata = (changes: Record<string, string | undefined>) => {
    const all: Record<string, string | undefined> = {
      format: "secateur-scores",
      version: "1",
      provenance: JSON.stringify(provenance),
      settings: JSON.stringify(scored.settings),
      examples: '["a"]',
      completeness: '{"worst":0,"mean":0,"unconverged":0,"tolerance":0.01}',
      nodesUsed: "16",
      ...changes,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>;
  };
  const rejects = async (changes: Record<string, string | undefined>, message: string, tensors = rows) => {
    const bytes = concatenated(encodeSafetensors(tensors, metadata(changes)));
    await assertRejects(() => decodeScores(memorySource("scores", bytes), config), SyntaxError, message);
  };
  await rejects({ format: undefined }, "expected a scores file");
  await rejects({ version: "2" }, "expected a scores file");
  await rejects({ settings: undefined }, "its metadata lacks settings");
  await rejects({ settings: "{" }, "Cannot read scores");
  await rejects({ settings: JSON.stringify({ ...scored.settings, rule: "simpson" }) }, "settings.rule");
  await rejects({ examples: '"a"' }, "examples is");
  await rejects({}, "it lacks the tensor gate_proj", []);
  await rejects({}, "it lacks the tensor completeness.example");
  const short = { name: "completeness.example", dtype: "F64", shape: [1], data: new Float64Array(1) };
  await rejects({}, "completeness.example has shape [1], expected [2]", [...rows, short]);
});

Deno.test("parseGrid() throws when the text contradicts itself or does not fit the model", async () => {
  const scored = await scoreNeurons(toyEngine(), toyExamples(2));
  const searched = await searchGrid(toyEngine(), toyExamples(2), scored.scores, { fractions: [0.2, 0.4] });
  const text = serialiseGrid(searched, provenance);
  // deno-lint-ignore no-explicit-any
  const changed = (change: (json: any) => void) => {
    const json = JSON.parse(text);
    change(json);
    return JSON.stringify(json);
  };
  const parse = (content: string) => () => parseGrid("grid.json", content, config);
  assertThrows(parse(changed((json) => json.format = "x")), SyntaxError, "format");
  assertThrows(parse(changed((json) => json.chosen = 99)), SyntaxError, "configuration 99 of 5");
  assertThrows(parse(changed((json) => json.neurons = [0, 1, 2])), SyntaxError, "3 neurons");
  assertThrows(
    parse(changed((json) => delete json.configurations[0].correct)),
    SyntaxError,
    "configurations[0].correct",
  );
  assertThrows(parse(changed((json) => json.configurations[1].layer = 2)), RangeError, "layer 2");
  assertThrows(parse(changed((json) => json.neurons = json.neurons.map(() => 5))), RangeError, "neuron 5");
});

Deno.test("describeRun() holds everything a repeat needs, and null where a number is not finite", async () => {
  const input = {
    ...toyInput(),
    test: [{ ...toyExample(0), id: "toy/test" }],
    selection: toyExamples(2),
    randomDraws: 2,
  };
  const run = describeRun(input, await runPipeline(input), { provenance, startedAt: "now", arguments: ["run"] });
  assertEquals(run.engine, input.engine.info);
  assertEquals([run.seed, run.randomDraws, run.randomSearch], [11, 2, true]);
  assertEquals(run.examples, {
    adaptation: ["toy/0", "toy/1", "toy/2"],
    scored: ["toy/0", "toy/1", "toy/2"],
    selection: ["toy/0", "toy/1"],
    test: ["toy/test"],
  });
  assertEquals(run.score.nodes, null);
  assertEquals(run.search.fractions.length, 10);
  assertEquals(run.test.unpruned.acc, { accuracy: 1, standardError: null, meanMargin: 1 - 1 / 3 });
  assertEquals(parseRun("run.json", serialiseRun(run)), run);
  assertThrows(() => parseRun("run.json", serialiseRun(run).replace('"seed"', '"sead"')), SyntaxError, '"sead"');
});

Deno.test("formatJson() leaves out undefined fields and throws when a number is not finite", () => {
  assertEquals(
    formatJson({ a: undefined, b: [], c: {}, d: ["x", null, true] }),
    '{\n  "b": [],\n  "c": {},\n  "d": ["x", null, true]\n}\n',
  );
  assertEquals(formatJson([{ a: 1 }, { a: 2 }]), '[\n  { "a": 1 },\n  { "a": 2 }\n]\n');
  assertThrows(
    () => formatJson({ a: { b: [1, NaN] } }),
    RangeError,
    "Cannot write the value.a.b[1] as JSON: it is NaN",
  );
});
