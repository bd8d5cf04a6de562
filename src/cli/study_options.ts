/** The options of `secateur study`. */
import { type StudyPart, studyParts } from "../method/study/settings.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { OptionTable, OptionValues } from "./arguments.ts";
import { configOptions } from "./config_file.ts";
import { UsageError } from "./errors.ts";
import {
  adaptationOptions,
  engineOptions,
  modelOptions,
  scoreOptions,
  searchOptions,
  taskOptions,
  testOptions,
} from "./options.ts";

export const studyOptions = {
  ...configOptions,
  ...modelOptions,
  tasks: {
    type: "text",
    placeholder: "TASK,TASK",
    required: true,
    description:
      "Tasks with commas between: names of built-in tasks or groups, or YAML files of lm-evaluation-harness.",
  },
  out: {
    type: "text",
    placeholder: "DIR",
    required: true,
    description: "Folder for the results; a study that was interrupted there goes on.",
  },
  parts: {
    type: "text",
    placeholder: "PART,PART",
    description: `Parts with commas between, of ${studyParts.join(", ")}. Default: all.`,
  },
  overwrite: { type: "flag", description: "Remove the study that is in --out, and what it computed, first." },
  redraws: {
    type: "integer",
    min: 1,
    max: 1000,
    default: 10,
    description: "How often to draw adaptation examples anew; redraw r has seed + r.",
  },
  sizes: {
    type: "integers",
    min: 1,
    max: 1_000_000,
    default: [5, 10, 20, 50, 100],
    description: "Numbers of adaptation examples for the part samples.",
  },
  "attribution-redraws": {
    type: "integer",
    min: 1,
    max: 1000,
    default: 3,
    description: "Redraws, the first ones, in which the part attribution compares methods.",
  },
  "exhaustive-neurons": {
    type: "integer",
    min: 0,
    max: 100_000_000,
    default: 2048,
    description:
      "Most neurons of a model for methods that cost passes for every neuron: ablation, Shapley, Integrated Hessians.",
  },
  retain: {
    type: "text",
    placeholder: "TASK",
    description: "Task whose adaptation split must stay as it is, for the part contrast, which is left out without it.",
  },
  mark: {
    type: "text",
    placeholder: "COLUMN",
    description: "Column of the test rows that says whether a shortcut holds, for the part shortcuts.",
  },
  "train-split": {
    type: "text",
    placeholder: "NAME",
    description:
      "Split of rows like those of the training, for the part shortcuts. Default: the split `train` if it is not drawn from.",
  },
  text: {
    type: "text",
    placeholder: "FILE",
    description: "Text file whose perplexity is measured before and after, for the part shortcuts.",
  },
  "pool-rows": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: "Most rows of the adaptation split to draw from; of a larger split, so many are drawn with --seed.",
  },
  ...adaptationOptions,
  prompt: taskOptions.prompt,
  "skip-bad-rows": taskOptions["skip-bad-rows"],
  truncate: taskOptions.truncate,
  ...testOptions,
  ...scoreOptions,
  ...searchOptions,
  ...engineOptions,
} as const satisfies OptionTable;

/** What was asked for. */
export type StudyOptions = OptionValues<typeof studyOptions>;

/**
 * The parts that `--parts` names; undefined for all.
 *
 * @throws {UsageError} If there is no such part.
 */
export function readParts(text: string | undefined): StudyPart[] | undefined {
  return text?.split(",").map((part) => part.trim()).map((part) => {
    const known = studyParts.find((name) => name === part);
    if (known) return known;
    throw new UsageError(
      `unknown part ${part}${didYouMean(part, studyParts)}`,
      `the parts are ${studyParts.join(", ")}.`,
    );
  });
}
