/** Options that several commands share, and what they become in the library's own words. */
import type { Objective } from "../engine/engine.ts";
import { maxRuleNodes, ruleNames } from "../method/quadrature.ts";
import { rankings } from "../method/rank.ts";
import { objectives, type ScoreSettings } from "../method/score.ts";
import { sampleFilters } from "../method/filter.ts";
import { searchRules, type SearchSettings } from "../method/search.ts";
import { promptStyles } from "../tasks/builtin_tasks.ts";
import { metrics } from "../tasks/scoring.ts";
import { type OptionTable, type OptionValues, underHeading } from "./arguments.ts";

export const modelOptions = underHeading("Model and task", {
  model: {
    type: "text",
    placeholder: "MODEL",
    required: true,
    description:
      "Folder of a Hugging Face checkpoint, or org/name[@revision]: found in the Hugging Face cache, or downloaded.",
  },
});

export const taskOptions = underHeading("Model and task", {
  task: {
    type: "text",
    placeholder: "TASK",
    required: true,
    description:
      "Name of a built-in task or group (secateur tasks ls), or a multiple-choice task in the YAML of lm-evaluation-harness.",
  },
  prompt: {
    type: "choice",
    choices: promptStyles,
    default: "completion",
    description: "Wording of a built-in task: as in lm-evaluation-harness, or one that says what to answer with.",
  },
  data: {
    type: "texts",
    placeholder: "DATA",
    description:
      "Rows instead of the task's own: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of splits, split=FILE, or a dataset org/name[@revision]. May be repeated with split=FILE.",
  },
  "data-subset": {
    type: "text",
    placeholder: "NAME",
    description: "Part of a dataset or folder, such as a language. Default: the task's.",
  },
  "skip-bad-rows": {
    type: "flag",
    description:
      "Leave out rows that lack a column, whose right answer is none of the choices, or that are too long for the model, and count them.",
  },
  truncate: {
    type: "flag",
    description:
      "Cut prompts that are too long for the model from the left, as lm-evaluation-harness does, and count them. With --skip-bad-rows, only rows that do not fit for other reasons are left out.",
  },
  fewshot: {
    type: "integer",
    min: 0,
    max: 1000,
    description: "Worked examples before each question, instead of the task's.",
  },
  "chat-template": {
    type: "flag",
    description: "Ask in the turns of the model's chat template: system prompt, worked examples, question.",
  },
  "system-prompt": {
    type: "text",
    placeholder: "TEXT",
    description: "Text in front of everything, before the task's description.",
  },
});

export const budgetOptions = underHeading("Device", {
  "memory-budget": {
    type: "bytes",
    description:
      "Device memory to stay under, such as 512MiB, weights included. Default: what the weights take, and 1 GiB.",
  },
  "weight-budget": {
    type: "bytes",
    description:
      "Device memory for weights, a part of --memory-budget; where they need more, layers are streamed from disk. Default: three quarters of --memory-budget if that is given, else all they need.",
  },
});

export const engineOptions = underHeading("Device", {
  engine: {
    type: "choice",
    choices: ["webgpu", "reference"],
    default: "webgpu",
    description:
      "What computes: kernels on a GPU (or software Vulkan), or slow float64 loops on the CPU, which take no budget.",
  },
  ...budgetOptions,
});

export const seedOptions = {
  seed: {
    type: "integer",
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: "Seed of everything that is drawn.",
  },
} as const satisfies OptionTable;

export const adaptationOptions = underHeading("Adaptation and test rows", {
  ...seedOptions,
  "adaptation-examples": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    default: 10,
    description: "Labelled examples to draw: neurons are scored on them, and layer and fraction are chosen on them.",
  },
  "adaptation-split": {
    type: "text",
    placeholder: "NAME",
    description: "Split they are drawn from. Default: the split `adaptation` if there is one, else the training split.",
  },
  sampling: {
    type: "choice",
    choices: ["plain", "balanced"],
    default: "plain",
    description: "Draw every row alike, or as many rows of each right choice as possible.",
  },
});

export const selectionOptions = underHeading("Adaptation and test rows", {
  "selection-examples": {
    type: "integer",
    min: 0,
    max: 1_000_000,
    default: 0,
    description: "Further examples of that split to choose layer and fraction on, instead of those that were scored.",
  },
});

export const testOptions = underHeading("Adaptation and test rows", {
  split: { type: "text", placeholder: "NAME", description: "Split to evaluate on. Default: the task's test split." },
  limit: {
    type: "integer",
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    description: "Evaluate only so many examples, the first ones.",
  },
});

/** As `testOptions`, for what measures plans of earlier runs. */
export const evaluatedOptions = {
  ...testOptions,
  ...underHeading("Adaptation and test rows", {
    unseen: {
      type: "flag",
      description: "Leave out the rows that a plan was chosen on. Default: only where the data has one split.",
    },
  }),
} as const satisfies OptionTable;

const layersOption = {
  layers: { type: "integers", min: 0, max: 100_000, description: "Layers to work on, counted from 0. Default: all." },
} as const satisfies OptionTable;

const metricOption = {
  metric: {
    type: "choice",
    choices: metrics,
    description:
      "How answers are compared: by log-probability, or by log-probability per character or byte. Default: the task's first.",
  },
} as const satisfies OptionTable;

/** Which token is meant is found on the unmodified model, except where it moves. */
const objectiveMeanings: Readonly<Record<Objective, string>> = {
  "max-logit": "logit of the unmodified model's most likely token",
  "max-logit-moving": "largest logit, whichever token has it on the path",
  choice: "logit of the first token of the choice that model prefers",
  gold: "logit of the first token of the right choice",
  margin: "gold, minus the largest such logit of a wrong choice",
  "max-prob": "probability of the unmodified model's most likely token",
};

export const scoreOptions = {
  ...underHeading("Scoring", {
    site: {
      type: "choice",
      choices: ["gate", "up", "down"],
      default: "gate",
      description: "Projection whose rows are scored and zeroed.",
    },
    positions: {
      type: "choice",
      choices: ["all", "last"],
      default: "all",
      description: "Prompt positions at which the path scales the projection.",
    },
    objective: {
      type: "choice",
      choices: objectives,
      meanings: objectiveMeanings,
      default: "max-logit",
      description: "The number whose change is attributed, at the last prompt position.",
    },
    path: {
      type: "choice",
      choices: ["layer", "joint"],
      default: "layer",
      description: "Scale one layer at a time, or all together, which is cheaper and a different number.",
    },
    rule: {
      type: "choice",
      choices: ruleNames,
      default: "gauss-legendre",
      description: "Integration rule along the path.",
    },
    nodes: {
      type: "integer",
      min: 1,
      max: maxRuleNodes,
      description: "The same number of nodes for every path. Default: as many as --tolerance asks for.",
    },
    tolerance: {
      type: "number",
      min: 1e-12,
      max: 1,
      default: 0.01,
      description:
        "Relative completeness error above which a path is integrated again with twice the nodes. With --nodes no path is: it then decides only which paths are counted as above it.",
    },
    "max-nodes": {
      type: "integer",
      min: 1,
      max: maxRuleNodes,
      default: 64,
      description: "Most nodes that --tolerance may lead to; not with --nodes.",
    },
    filter: {
      type: "choice",
      choices: sampleFilters,
      default: "all",
      description:
        "Score all examples, or only those that the unmodified model answers correctly, incorrectly or confidently.",
    },
    confidence: {
      type: "number",
      min: 0,
      max: 0.999999,
      default: 0.8,
      description: "Probability among the choices above which an answer is confident, for --filter confident.",
    },
    normalise: {
      type: "choice",
      choices: ["none", "layer-max"],
      default: "none",
      description: "Divide the scores of each layer by the largest of them.",
    },
  }),
  ...layersOption,
  ...metricOption,
} as const satisfies OptionTable;

export const searchOptions = {
  ...underHeading("Search", {
    fractions: {
      type: "numbers",
      min: 1e-9,
      max: 1,
      description: "Fractions of a layer's neurons to try. Default: 0.05 to 0.5 by 0.05.",
    },
    ranking: {
      type: "choice",
      choices: rankings,
      default: "signed",
      description: "Neurons to zero first: highest score, largest size, or highest score and never below zero.",
    },
    "selection-rule": {
      type: "choice",
      choices: searchRules,
      default: "paper",
      description: "How layer and fraction are chosen from the answers; docs/study.md compares the rules.",
    },
  }),
  ...layersOption,
  ...metricOption,
} as const satisfies OptionTable;

export const runOptions = {
  ...adaptationOptions,
  ...selectionOptions,
  ...testOptions,
  ...scoreOptions,
  ...searchOptions,
  ...underHeading("Search", {
    "search-layers": {
      type: "integers",
      min: 0,
      max: 100_000,
      description: "Layers to search, of those that are scored. Default: all of them.",
    },
    "random-draws": {
      type: "integer",
      min: 1,
      max: 1000,
      default: 5,
      description: "Random sets of neurons, as large as the chosen one, to compare with.",
    },
  }),
} as const satisfies OptionTable;

/** What decides the scores. */
export function scoreSettings(options: Omit<OptionValues<typeof scoreOptions>, "metric">): Partial<ScoreSettings> {
  const { site, positions, objective, path, rule, nodes, tolerance, filter, confidence, normalise, layers } = options;
  return {
    site,
    positions,
    objective,
    path,
    rule,
    nodes: nodes ?? null,
    tolerance,
    maxNodes: options["max-nodes"],
    filter,
    confidence,
    normalise,
    ...(layers && { layers }),
  };
}

/** What decides the search of a run, which may be of fewer layers than it scores. */
export function runSearchSettings(
  options: Omit<OptionValues<typeof searchOptions>, "metric"> & {
    readonly "search-layers"?: readonly number[] | undefined;
  },
): Partial<SearchSettings> {
  return searchSettings({ ...options, layers: options["search-layers"] ?? options.layers });
}

/** What decides the search. */
export function searchSettings(options: Omit<OptionValues<typeof searchOptions>, "metric">): Partial<SearchSettings> {
  const { fractions, ranking, "selection-rule": selectionRule, layers } = options;
  return { ranking, selectionRule, ...(fractions && { fractions }), ...(layers && { layers }) };
}
