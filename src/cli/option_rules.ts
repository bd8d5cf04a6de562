/**
 * Options that contradict each other, or say nothing without another one: one table for all commands. A rule holds in
 * every command that has the options it names.
 */
import { formatBytes } from "../text/bytes.ts";
import { type GivenOptions, type OptionTable } from "./arguments.ts";
import { UsageError } from "./errors.ts";

/**
 * What was typed: `--name`, an option that is given; `--name value`, one that has this value, given or by default; or
 * `command word`, a command with the word behind it.
 */
type Term = string;

/** What must not be typed together, or not alone. */
export interface OptionRule {
  /** The rule is about each of these. */
  readonly options: readonly Term[];
  /** They do not go with any of these. */
  readonly excludes?: readonly Term[];
  /** They need one of these. */
  readonly needs?: readonly Term[];
  /** Their values may not be above those of these. */
  readonly atMost?: readonly Term[];
  /** Commands for which it does not hold. */
  readonly except?: readonly string[];
  /** Which to drop, or to add. */
  readonly hint: string;
}

/** Options of a task that say how its rows are found and asked. */
const ofTask = [
  "--prompt",
  "--data",
  "--data-subset",
  "--skip-bad-rows",
  "--truncate",
  "--fewshot",
  "--chat-template",
  "--system-prompt",
] as const;

/** Options that say which rows of a task are drawn. */
const ofDraw = ["--seed", "--sampling", "--adaptation-split", "--selection-examples", "--split"] as const;

const budgets = ["--memory-budget", "--weight-budget"] as const;

/** All rules. */
export const optionRules: readonly OptionRule[] = [
  { options: ["--json"], excludes: ["--events"], hint: "give one of them." },

  // Folders of results.
  {
    options: ["--resume"],
    excludes: ["--overwrite"],
    hint: "--resume continues the run in --out, --overwrite replaces it: give one of them.",
  },

  // Device.
  {
    options: budgets,
    excludes: ["--engine reference"],
    hint: "the reference engine takes no memory of a device: leave out the budget.",
  },
  {
    options: ["--weight-budget"],
    atMost: ["--memory-budget"],
    hint: "weights are a part of --memory-budget: raise that, lower --weight-budget, or leave one of them out.",
  },

  // Scoring.
  {
    options: ["--nodes"],
    excludes: ["--max-nodes"],
    hint: "leave out --max-nodes for the same number on every path, or --nodes for as many as a path needs.",
  },
  {
    options: ["--confidence"],
    needs: ["--filter confident"],
    // Its part `examples` compares with that filter, whatever the others use.
    except: ["study"],
    hint: "it is the probability above which that filter keeps an example: add it, or leave out --confidence.",
  },

  // Tasks.
  {
    options: ofTask,
    needs: ["--task"],
    hint: "it says how the rows of a task are found and asked: name the task, or leave it out.",
  },
  {
    options: ["--truncate"],
    needs: ["--model"],
    hint: "the limit of the model is what prompts are cut to.",
  },
  {
    options: ["--chat-template"],
    needs: ["--model"],
    hint: "the template of the model is used.",
  },
  {
    options: ["--model", "--split", "--row", ...ofTask],
    excludes: ["tasks ls"],
    hint: "it lists what is built in: leave the option out, or use secateur tasks show TASK.",
  },
  {
    options: ["--row"],
    excludes: ["tasks validate"],
    hint: "it reads every row: leave out --row.",
  },

  // Evaluation.
  {
    options: ["--compare"],
    excludes: ["--against", "--against-plan"],
    hint: "--compare means the model without its plan; leave it out.",
  },
  {
    options: ["--compare"],
    needs: ["--plan"],
    hint: "name one with --plan, or another model with --against.",
  },
  {
    options: ["--other-weights"],
    needs: ["--plan", "--against-plan"],
    hint: "it is about the weights that a plan was found on: leave it out.",
  },

  // Plans for clusters.
  {
    options: ["--measure", "--engine", ...budgets],
    excludes: ["--cluster"],
    hint: "--cluster states the speed and the memory of its GPUs: leave out the other one.",
  },
  {
    options: ["--shape", "--tasks"],
    needs: ["--cluster"],
    hint: "state the GPUs with --cluster; without, name one --model and --task.",
  },
  {
    options: ["--prompt-tokens"],
    needs: ["--shape"],
    hint: "the prompts of a task have their own length: leave out --prompt-tokens.",
  },
  {
    options: ["--model", "--task", ...ofTask, ...ofDraw],
    excludes: ["--shape"],
    hint: "a shape stands for a model and a task: leave out one of them.",
  },

  // Parts and schedulers.
  {
    options: ["--scores"],
    excludes: ["--step score"],
    hint: "they are what was searched over: leave out --scores, or join the search.",
  },
  {
    options: ["--sbatch"],
    excludes: ["submit k8s", "submit parallel"],
    hint: "it is an option of Slurm: leave it out.",
  },
  {
    options: ["--image", "--claim", "--mount", "--namespace", "--gpu-resource"],
    excludes: ["submit slurm", "submit parallel"],
    hint: "it is about containers: leave it out.",
  },
  {
    options: ["--pin"],
    excludes: ["submit slurm", "submit k8s"],
    hint: "the scheduler binds processes to GPUs: leave it out.",
  },
  {
    options: ["--name"],
    excludes: ["submit parallel"],
    hint: "its script has no jobs that could have a name: leave it out.",
  },
];

/** A command line that was read. */
export interface ReadCommandLine extends GivenOptions {
  readonly command: string;
  readonly table: OptionTable;
  /** What stands behind the name of the command. */
  readonly words: readonly string[];
}

/** The option of a term and its value, or null for a word. */
function optionOf(term: Term): { readonly name: string; readonly value: string | undefined } | null {
  if (!term.startsWith("--")) return null;
  const [name, value] = term.slice(2).split(" ");
  return { name, value };
}

/** Whether a term could be typed in a command. */
export function isPossible(term: Term, { command, table }: Pick<ReadCommandLine, "command" | "table">): boolean {
  const option = optionOf(term);
  return option === null ? term.startsWith(`${command} `) : Object.hasOwn(table, option.name);
}

/** Whether a term was typed. */
function isThere(term: Term, { command, words, given, values }: ReadCommandLine): boolean {
  const option = optionOf(term);
  if (option === null) return term === `${command} ${words[0]}`;
  return option.value === undefined ? given.has(option.name) : values[option.name] === option.value;
}

/** What an amount of memory is, for a term that names one. */
function amountOf(term: Term, { values }: ReadCommandLine): number {
  return values[optionOf(term)!.name] as number;
}

function inWords(terms: readonly Term[]): string {
  return terms.length === 1 ? terms[0] : `${terms.slice(0, -1).join(", ")} or ${terms.at(-1)}`;
}

/**
 * Refuses options that do not go together.
 *
 * @throws {UsageError} If a rule is broken; it says which option to drop.
 */
export function refuseClashes(line: ReadCommandLine, rules: readonly OptionRule[] = optionRules): void {
  for (const { options, excludes = [], needs = [], atMost = [], except = [], hint } of rules) {
    if (except.includes(line.command)) continue;
    const possible = needs.filter((term) => isPossible(term, line));
    for (const option of options.filter((term) => isThere(term, line))) {
      const clash = excludes.find((term) => isThere(term, line));
      if (clash !== undefined) throw new UsageError(`${option} does not go with ${clash}`, hint);
      if (possible.length > 0 && !possible.some((term) => isThere(term, line))) {
        throw new UsageError(`${option} needs ${inWords(possible)}`, hint);
      }
      const limit = atMost.find((term) => isThere(term, line) && amountOf(option, line) > amountOf(term, line));
      if (limit !== undefined) {
        const [more, most] = [option, limit].map((term) => `${term} of ${formatBytes(amountOf(term, line))}`);
        throw new UsageError(`${more} is above ${most}`, hint);
      }
    }
  }
}

/** The options of a command that go with one of its subcommands. */
export function withoutRefused(command: string, word: string, table: OptionTable): OptionTable {
  const refused = new Set(
    optionRules.filter(({ excludes = [] }) => excludes.includes(`${command} ${word}`)).flatMap(({ options }) =>
      options
    ),
  );
  return Object.fromEntries(Object.entries(table).filter(([name]) => !refused.has(`--${name}`)));
}
