/**
 * The steps of a study on several machines, and what waits for what: score (an array) -> merge -> search (an array) ->
 * merge -> prune -> eval. Every step may be repeated: what is there is skipped or replaced by the same bytes.
 */
import { join } from "node:path";
import { runFileNames } from "../method/files.ts";
import { type OptionTable, type OptionValues, optionWords } from "./arguments.ts";
import {
  adaptationOptions,
  engineOptions,
  modelOptions,
  scoreOptions,
  searchOptions,
  seedOptions,
  selectionOptions,
  taskOptions,
  testOptions,
} from "./options.ts";

const forAll = { ...modelOptions, ...taskOptions, ...engineOptions } as const satisfies OptionTable;
const forScore = { ...forAll, ...adaptationOptions, ...scoreOptions } as const satisfies OptionTable;
const forSearch = {
  ...forAll,
  ...adaptationOptions,
  ...selectionOptions,
  ...searchOptions,
} as const satisfies OptionTable;
const forEval = { ...taskOptions, ...engineOptions, ...testOptions, ...seedOptions } as const satisfies OptionTable;

/** What decides the work of all steps. */
export const graphOptions = { ...forScore, ...forSearch, ...forEval } as const satisfies OptionTable;

/** One step of the job. */
export interface JobStep {
  /** Such as `score` or `merge-score`; unique, lower case. */
  readonly name: string;
  /** The step that must have ended well before; null for the first. */
  readonly after: string | null;
  /** Number of processes that divide the step, which get `--shard`; null for one process. */
  readonly shards: number | null;
  /** Whether it computes with the model, so that it wants a GPU. */
  readonly computes: boolean;
  /** Arguments of the program, without `--shard`. */
  readonly words: readonly string[];
}

/** Name of the folder of the pruned copy in the output folder, and of the results of its evaluation. */
export const prunedFolder = "pruned";
export const evaluationFile = "eval.json";

/**
 * What `eval` is asked for besides. Where adaptation examples are asked for by name from the only split that there are
 * rows of, it measures on the others: it draws none, so it would take that name for a misspelt one.
 */
function evaluatedRest({ split, data = [], "adaptation-split": drawn }: OptionValues<typeof graphOptions>): string[] {
  const isOnly = drawn !== undefined && data.length > 0 && data.every((text) => text.startsWith(`${drawn}=`));
  return split === undefined && isOnly ? ["--split", drawn, "--unseen"] : [];
}

/** The steps, in an order in which they can run. */
export function jobGraph(
  options: OptionValues<typeof graphOptions>,
  { out, scoreShards, searchShards }: {
    readonly out: string;
    readonly scoreShards: number;
    readonly searchShards: number;
  },
): JobStep[] {
  const scores = join(out, runFileNames.scores);
  const pruned = join(out, prunedFolder);
  const model = ["--model", options.model];
  return [
    {
      name: "score",
      after: null,
      shards: scoreShards,
      computes: true,
      words: ["score", ...optionWords(forScore, options), "--out", out],
    },
    { name: "merge-score", after: "score", shards: null, computes: false, words: ["merge", out, "--step", "score"] },
    {
      name: "search",
      after: "merge-score",
      shards: searchShards,
      computes: true,
      words: ["search", ...optionWords(forSearch, options), "--scores", scores, "--out", out],
    },
    { name: "merge-search", after: "search", shards: null, computes: false, words: ["merge", out, "--step", "search"] },
    {
      name: "prune",
      after: "merge-search",
      shards: null,
      computes: false,
      words: ["prune", ...model, "--plan", join(out, runFileNames.plan), "--out", pruned, "--overwrite"],
    },
    {
      name: "eval",
      after: "prune",
      shards: null,
      computes: true,
      words: [
        ...["eval", "--model", pruned, "--against", options.model, ...optionWords(forEval, options)],
        ...evaluatedRest(options),
        ...["--output", join(out, evaluationFile)],
      ],
    },
  ];
}

/** The graph on one line, for the head of a script. */
export function describeGraph(steps: readonly JobStep[]): string {
  return steps.map(({ name, shards }) => shards === null ? name : `${name} (${shards} shards)`).join(" -> ");
}
