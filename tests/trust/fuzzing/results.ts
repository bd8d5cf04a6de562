/** Fuzz targets: results of earlier runs and studies, parts of sharded jobs, and the state of a service's jobs. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeArrays, openTensorStore, type StoredArray } from "../../../src/checkpoint/tensor_store.ts";
import type { CommandContext } from "../../../src/cli/command.ts";
import { merge } from "../../../src/cli/merge.ts";
import { plain } from "../../../src/cli/style.ts";
import { report } from "../../../src/cli/report.ts";
import { status } from "../../../src/cli/status.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { serialiseAnswers } from "../../../src/method/answers_file.ts";
import { runFileNames } from "../../../src/method/files.ts";
import { serialiseGrid } from "../../../src/method/grid_file.ts";
import { digestFile } from "../../../src/method/file_digest.ts";
import {
  encodePartial,
  type Partial,
  partialFolder,
  partialName,
  type PartialStep,
  readPartial,
} from "../../../src/method/partial_file.ts";
import { serialisePlan } from "../../../src/method/plan.ts";
import { serialiseRun } from "../../../src/method/run_record.ts";
import { readRunResults } from "../../../src/method/run_results.ts";
import { scoreNeurons, type ScoreOptions } from "../../../src/method/score.ts";
import { encodeScores } from "../../../src/method/scores_file.ts";
import { scoreShard } from "../../../src/method/shard_score.ts";
import { searchShard } from "../../../src/method/shard_search.ts";
import { parseStudy, runStudy, serialiseStudy } from "../../../src/method/study/study.ts";
import { serialiseTraces } from "../../../src/method/traces_file.ts";
import { renderComparison } from "../../../src/report/comparison_page.ts";
import { renderRunReport } from "../../../src/report/run_report.ts";
import { renderStudyReport } from "../../../src/report/study_report.ts";
import { studyMarkdown } from "../../../src/report/study_markdown.ts";
import { parseSettings } from "../../../src/serve/job_request.ts";
import { newState, parseState, serialiseState } from "../../../src/serve/job_state.ts";
import { sampleRunResults } from "../../support/run_results.ts";
import { studyToyInput } from "../../support/study_toy.ts";
import { ToyEngine, toyExamples } from "../../support/toy_engine.ts";
import { mutateJson } from "./mutate.ts";
import { bytesOf, either, joined, mutateMetadata, type Target } from "./target.ts";

const provenance = { model: "models/toy", task: "toy", versions: { secateur: "0.1.0" } };

/** Changes the tree of a JSON text, mostly: what is no JSON is soon refused. */
const mostlyJson: typeof mutateJson = (random, bytes, others) =>
  (random.nextBelow(5) === 0 ? either : mutateJson)(random, bytes, others);

const context: CommandContext = {
  typed: [],
  signal: new AbortController().signal,
  onProgress: () => {},
  style: plain,
  note: () => {},
};

/** Writes files where they are not yet, and the changed one. */
function folderWriter(files: Readonly<Record<string, Uint8Array>>) {
  const written = new Set<string>();
  return async (folder: string, name: string, bytes: Uint8Array) => {
    if (!written.has(folder)) {
      for (const [other, content] of Object.entries(files)) await writeFile(join(folder, other), content);
      written.add(folder);
    }
    await writeFile(join(folder, name), bytes);
  };
}

/** One target for each file of a run: it is read with the others, shown, and compared with the run as it was. */
function runTargets(): Target[] {
  const results = sampleRunResults({ layers: 2, neurons: 8, adaptation: 2, test: 5, excerptTokens: 3 });
  // The files of a run name the same model, task and versions.
  const { provenance } = results.record;
  const files: Readonly<Record<string, Uint8Array>> = {
    [runFileNames.scores]: joined(encodeScores(results.scored, provenance)),
    [runFileNames.grid]: bytesOf(serialiseGrid(results.searched, provenance)),
    [runFileNames.plan]: bytesOf(serialisePlan(results.plan)),
    [runFileNames.answers]: bytesOf(serialiseAnswers(results.answers)),
    [runFileNames.traces]: bytesOf(serialiseTraces(results.traces, provenance)),
    [runFileNames.run]: bytesOf(serialiseRun(results.record)),
  };
  const write = folderWriter(files);
  return Object.entries(files).map(([name, seed]): Target => ({
    name: `${name} of a run`,
    seeds: [seed],
    mutate: name === runFileNames.scores
      ? mutateMetadata("settings", "examples", "completeness", "nodesUsed", "provenance")
      : mostlyJson,
    feed: async (bytes, folder) => {
      await write(folder, name, bytes);
      const read = await readRunResults(folder);
      renderRunReport(read);
      renderComparison({ name: "a", results }, { name: "b", results: read });
    },
  }));
}

/** The study, its log and its stored answers. */
async function studyTargets(): Promise<Target[]> {
  const study = await runStudy(studyToyInput());
  const text = serialiseStudy(study);
  const few = { ...study, tasks: study.tasks.map((task) => ({ ...task, test: task.test.slice(0, 3) })) };
  const write = folderWriter({ "study.json": bytesOf(serialiseStudy(few)) });
  return [
    {
      name: "study.json",
      seeds: [bytesOf(text), bytesOf(serialiseStudy(few))],
      mutate: mostlyJson,
      // deno-lint-ignore require-await
      feed: async (bytes) => {
        const read = parseStudy("study.json", bytes);
        renderStudyReport(read);
        studyMarkdown(read, "secateur study");
      },
    },
    {
      name: "log of a study",
      seeds: [bytesOf('{"arguments": ["study", "--model", "a b"], "startedAt": "x"}')],
      mutate: mostlyJson,
      feed: async (bytes, folder) => {
        await write(folder, "log.json", bytes);
        await report.execute([folder], context);
      },
    },
    {
      name: "stored answers of a study",
      seeds: [
        joined(encodeArrays(new Map<string, StoredArray>([["a", new Float32Array(4)], ["b", new Float64Array(2)]]))),
      ],
      mutate: mutateMetadata("x"),
      feed: async (bytes, folder) => {
        await writeFile(join(folder, "a.safetensors"), bytes);
        const store = await openTensorStore(folder);
        await store.get("a");
        await store.get("b");
      },
    },
  ];
}

const shape = { layers: 2, neurons: 6, width: 4 };
const scoring: ScoreOptions = { initialNodes: 2, maxNodes: 4, tolerance: 1e-5 };

function toy(): Engine {
  return new ToyEngine({
    ...shape,
    gate: (number, layer, neuron) => 1 + number + layer - neuron / 3,
    effect: (layer, neuron) => Math.sin(1 + layer * 12 + neuron),
    logProbs: (number, pruned) => [pruned(number % 2, 3) ? -0.25 : -1, pruned(1, number) ? -1.5 : -0.5],
  });
}

/** Two parts of each step, of which the first is changed: listed, read and merged. */
async function partTargets(): Promise<Target[]> {
  const examples = toyExamples(3);
  const { family, layers, width, neurons } = toy().config;
  const encode = (
    step: PartialStep,
    index: number,
    scores: string,
    part: Pick<Partial, "arrays" | "more" | "settings" | "unitCount" | "units">,
  ) =>
    joined(encodePartial({
      ...part,
      step,
      shard: { index, count: 2 },
      inputs: { model: "m", examples: "e", scores },
      provenance,
      model: { family, layers, width, neurons },
      engine: "toy",
      arguments: [step, "--out", "x"],
    }));
  const scored = await scoreNeurons(toy(), examples, scoring);
  const scoresFile = joined(encodeScores(scored, provenance));
  const make = async (step: PartialStep, index: number, scores: string) => {
    const shard = { index, count: 2 };
    return step === "score"
      ? encode(step, index, "", await scoreShard(toy(), examples, shard, scoring))
      : encode(step, index, scores, await searchShard(toy(), examples, scored.scores, shard, { fractions: [0.5] }));
  };
  const targets: Target[] = [];
  for (const step of ["score", "search"] as const) {
    const place = await Deno.makeTempFile();
    await writeFile(place, scoresFile);
    const digest = await digestFile(place);
    await Deno.remove(place);
    const parts = [await make(step, 1, digest), await make(step, 2, digest)];
    targets.push({
      name: `parts of a ${step === "score" ? "scoring" : "search"}`,
      seeds: parts.slice(0, 1),
      mutate: mutateMetadata("partial"),
      feed: async (bytes, folder) => {
        const file = (index: number) => join(folder, partialFolder, partialName(step, { index, count: 2 }));
        await mkdir(join(folder, partialFolder), { recursive: true });
        await writeFile(join(folder, runFileNames.scores), scoresFile);
        await writeFile(file(1), bytes);
        await writeFile(file(2), parts[1]);
        await readPartial(file(1));
        await status.execute([folder], context);
        await merge.execute([folder], context);
      },
    });
  }
  return targets;
}

/** What is kept of a request that says everything a request may say. */
const jobSettings = {
  model: "m",
  adaptation: { split: "train", count: 4, selectionCount: 2, sampling: "balanced" },
  test: { split: "test", limit: 5 },
  fewshot: 1,
  metric: "acc",
  seed: 3,
  randomDraws: 2,
  score: { site: "gate", positions: "last", rule: "gauss-legendre", nodes: 4, layers: [0, 1] },
  search: { fractions: [0.1, 0.2], ranking: "signed", layers: [1] },
  writePruned: true,
};

const jobTargets: Target[] = [
  {
    name: "state of a job",
    seeds: [bytesOf(serialiseState(newState({ id: "0".repeat(25), model: "m", task: "t" })))],
    mutate: mostlyJson,
    // deno-lint-ignore require-await
    feed: async (bytes) => parseState("state.json", bytes),
  },
  {
    name: "request of a job",
    seeds: [bytesOf(JSON.stringify(jobSettings))],
    mutate: mostlyJson,
    // deno-lint-ignore require-await
    feed: async (bytes) => parseSettings("request.json", new TextDecoder().decode(bytes)),
  },
];

/** Targets that read what this program wrote earlier, or what pretends to be that. */
export async function resultTargets(): Promise<Target[]> {
  return [...runTargets(), ...await studyTargets(), ...await partTargets(), ...jobTargets];
}
