/**
 * `secateur tasks`: what is built in, what a task asks token by token, and whether a task file and its rows are right.
 */
import { readModelConfig } from "../checkpoint/open.ts";
import { BadRowError } from "../tasks/bad_row.ts";
import { builtinTasks } from "../tasks/builtin_tasks.ts";
import { loadChatTemplate } from "../tasks/chat_template.ts";
import { countBySplit, type Example } from "../tasks/example.ts";
import { buildExample, type ChoiceRequest } from "../tasks/example_builder.ts";
import { loadTask, type TaskOptions } from "../method/load_task.ts";
import type { Task } from "../tasks/task.ts";
import type { TaskConfig } from "../tasks/task_config.ts";
import type { ColumnOrTemplate } from "../tasks/task_settings.ts";
import { readTaskTree, type TaskTree } from "../tasks/task_tree.ts";
import { loadTokenizer, type Tokenizer } from "../tasks/tokenizer.ts";
import type { Jsonable } from "../method/json.ts";
import type { OptionTable, OptionValues } from "./arguments.ts";
import { type CommandContext, type CommandResult, defineCommand } from "./command.ts";
import { asUsage, CommandError, UsageError } from "./errors.ts";
import { findModel } from "./model.ts";
import { modelOptions, taskOptions } from "./options.ts";
import { countSkipped, noteCuts, noteSkipped, requireKnownSplit, requireSplit, taskSettings } from "./session.ts";
import { readSubcommand, refuseFurtherWords } from "./subcommand.ts";
import { counted, formatTable } from "./text.ts";

const { task: _, ...loadingOptions } = taskOptions;

const tasksOptions = {
  model: {
    ...modelOptions.model,
    required: false,
    description:
      "Show the tokens too, of this model's tokenizer, and check that rows are not too long for it; none of its weights are read.",
  },
  ...loadingOptions,
  split: {
    type: "text",
    placeholder: "NAME",
    description: "Split of the row to show. Default: the one to evaluate on.",
  },
  row: {
    type: "integer",
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: "Row to show, counted from 0.",
  },
} as const satisfies OptionTable;

type Options = OptionValues<typeof tasksOptions>;

/** Characters of a line of tokens. */
const lineWidth = 100;

function describeSetting(setting: ColumnOrTemplate | number | readonly (string | number)[] | null): Jsonable {
  if (setting === null || typeof setting === "number") return setting;
  return "text" in setting ? setting.text : [...setting];
}

function describeConfig(config: TaskConfig): { [name: string]: Jsonable } {
  const { prompt, fewshot, data } = config;
  const known = (value: unknown): Jsonable =>
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
  return {
    name: config.name,
    file: config.file,
    version: config.version,
    dataset: config.dataset && [config.dataset.path, config.dataset.subset].filter((part) => part !== null).join(", "),
    files: data && Object.fromEntries([...data].map(([split, paths]) => [split, [...paths]])),
    splits: { training: config.trainingSplit, validation: config.validationSplit, test: config.testSplit },
    metrics: [...config.metrics, ...config.furtherMetrics],
    fewshot: { count: fewshot.count, sampler: fewshot.sampler, split: fewshot.split },
    description: describeSetting(config.description),
    docToText: describeSetting(prompt.docToText),
    docToChoice: describeSetting(prompt.docToChoice),
    docToTarget: describeSetting(prompt.docToTarget),
    genPrefix: describeSetting(prompt.genPrefix),
    targetDelimiter: prompt.targetDelimiter,
    fewshotDelimiter: prompt.fewshotDelimiter,
    metadata: Object.fromEntries(Object.entries(config.metadata).map(([name, value]) => [name, known(value)])),
  };
}

/** Facts under each other; text in quotes, so that spaces and newlines show. */
function formatFacts(facts: Readonly<Record<string, Jsonable>>): string {
  const rows = Object.entries(facts).filter(([, value]) => value !== null).map(([name, value]) =>
    [name, typeof value === "string" && !/[\s]$|\n|^\s/.test(value) ? value : JSON.stringify(value)] as const
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join("\n");
}

interface Token {
  readonly id: number;
  readonly text: string;
}

function listTokens(ids: Uint32Array, tokenizer: Tokenizer): Token[] {
  return Array.from(ids, (id) => ({ id, text: tokenizer.tokenText(id) }));
}

/** Tokens as `id "text"`, as many a line as fit. */
function formatTokens(tokens: readonly Token[], indent: string): string {
  const lines = [""];
  for (const { id, text } of tokens) {
    const item = `${id} ${JSON.stringify(text)}`;
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + item.length > lineWidth) lines.push(item);
    else lines[lines.length - 1] = last === "" ? item : `${last}  ${item}`;
  }
  return lines.map((line) => indent + line).join("\n");
}

function describeRequest(request: ChoiceRequest, tokenizer: Tokenizer | null): { [name: string]: Jsonable } {
  const { id, context, contexts, continuations, choices, gold, golds } = request;
  const texts = {
    id,
    contexts: contexts === undefined ? [context] : [...contexts],
    continuations: [...continuations],
    choices: [...choices],
    golds: golds === undefined ? [gold] : [...golds],
  };
  if (tokenizer === null) return texts;
  const example = buildExample(request, tokenizer);
  const list = (ids: Uint32Array) => listTokens(ids, tokenizer).map((token) => ({ ...token }));
  return {
    ...texts,
    contextTokens: (example.prompts ?? [example.prompt]).map(list),
    continuationTokens: example.choices.map(list),
  };
}

function formatRequest(request: ChoiceRequest, tokenizer: Tokenizer | null): string {
  const { id, continuations, gold, golds = [gold] } = request;
  const contexts = request.contexts ?? [request.context];
  const example = tokenizer && buildExample(request, tokenizer);
  const tokens = (ids: Uint32Array | undefined) =>
    ids === undefined || tokenizer === null ? [] : [formatTokens(listTokens(ids, tokenizer), "    ")];
  const count = (ids: Uint32Array | undefined) => ids === undefined ? "" : ` (${counted(ids.length, "token")})`;
  const prompts = example ? example.prompts ?? [example.prompt] : [];
  return [
    id,
    ...contexts.flatMap((context, i) => [
      `  context${contexts.length > 1 ? ` ${i}` : ""}${count(prompts[i])}: ${JSON.stringify(context)}`,
      ...tokens(prompts[i]),
    ]),
    ...continuations.flatMap((continuation, i) => [
      `${golds.includes(i) ? "*" : " "} choice ${i}${count(example?.choices[i])}: ${JSON.stringify(continuation)}`,
      ...tokens(example?.choices[i]),
    ]),
    "* right",
  ].join("\n");
}

async function list(): Promise<CommandResult> {
  const trees = await Promise.all(
    builtinTasks.map(async (task): Promise<[string, TaskTree]> => [task.family, await readTaskTree(task.name)]),
  );
  const described = trees.map(([family, { group, tasks }]) => ({
    name: group?.name ?? tasks[0].name,
    family,
    tasks: group?.tasks.length ?? 1,
    isGroup: group !== null,
    dataset: tasks[0].dataset!.path,
    version: group?.version ?? tasks[0].version,
    metrics: [...tasks[0].metrics],
    licence: String(tasks[0].metadata.licence),
  }));
  // The parts of a benchmark have a group of its name.
  const shown = described.filter(({ name, family, isGroup }) => name === family || isGroup);
  const table = formatTable([
    ["task", "tasks", "dataset", "metric", "licence"],
    ...shown.map((
      { name, tasks, dataset, metrics, licence },
    ) => [name, `${tasks}`, dataset, metrics.join(", "), licence]),
  ]);
  return {
    text: `${table}\n\nsecateur tasks show mmlu lists the parts of a group; each of them is a task too.\n`,
    json: described,
  };
}

/** The task with its rows, if they can be had without a dataset, and what its texts go through. */
interface Opened {
  readonly tree: TaskTree;
  /** Null without `--model`. */
  readonly tokenizer: Tokenizer | null;
  /** The most tokens that the model reads in one sequence; null without `--model`, or where that cannot be known. */
  readonly maxTokens: number | null;
  /** Null if it names no files and none are given. */
  readonly task: Task | null;
}

/** The limit of a model's rows; null where no engine could run it: for its tokens the tokenizer will do. */
async function readMaxTokens(folder: string): Promise<number | null> {
  try {
    return (await readModelConfig(folder)).maxPositions;
  } catch {
    return null;
  }
}

async function open(
  name: string,
  options: Options,
  context: CommandContext,
  override: Pick<TaskOptions, "skipBadRows"> = {},
): Promise<Opened> {
  const { model } = options;
  const tree = await readTaskTree(name, options.prompt);
  const folder = model === undefined ? null : (await findModel(model, context)).folder;
  const tokenizer = folder === null ? null : await loadTokenizer(folder);
  const chatTemplate = folder !== null && options["chat-template"] ? await loadChatTemplate(folder) : null;
  const maxTokens = folder === null ? null : await readMaxTokens(folder);
  const settings = taskSettings(options, context);
  const hasRows = settings.data !== undefined || tree.tasks.every((task) => task.data !== null);
  const task = hasRows
    ? await loadTask(name, {
      ...settings,
      ...(tokenizer && { tokenizer }),
      ...(maxTokens !== null && { maxTokens }),
      ...(chatTemplate && { chatTemplate }),
      ...override,
    })
    : null;
  if (task) requireKnownSplit(task, options);
  return { tree, tokenizer, maxTokens, task };
}

/** The row to show; of a group, that of its first task. */
async function requestRow(task: Task, options: Options): Promise<ChoiceRequest[]> {
  const split = requireSplit(task, options.split ?? task.evaluationSplit, "split");
  const id = `${split}/${options.row}`;
  try {
    return await task.requests(split, { ids: [task.group === null ? id : `${task.group.tasks[0]}/${id}`] });
  } catch (error) {
    throw asUsage(error, "Cannot find row ", "name another one with --row, counted from 0.");
  }
}

async function show(name: string, options: Options, context: CommandContext): Promise<CommandResult> {
  const { tree, tokenizer, task } = await open(name, options, context);
  const requests = task === null ? [] : await requestRow(task, options);
  const { group } = tree;
  const facts = group === null ? describeConfig(tree.tasks[0]) : {
    name: group.name,
    version: group.version,
    aggregates: group.aggregates.map(({ metric, weightBySize }) => ({ metric, weightBySize })),
    tasks: [...group.tasks],
  };
  const note = task === null ? "Its rows are in a dataset: name it or a file with --data to see a request.\n" : "";
  return {
    text: `${formatFacts(facts)}\n\n${
      requests.map((request) => `${formatRequest(request, tokenizer)}\n`).join("\n")
    }${note}`,
    json: { ...facts, requests: requests.map((request) => describeRequest(request, tokenizer)) },
  };
}

/** Reads all rows of all splits, which skip bad ones: how many fit, and what is wrong with a split as a whole. */
async function checkRows(task: Task): Promise<{ counts: [string, number][]; problems: string[] }> {
  const counts: [string, number][] = [];
  const problems: string[] = [];
  for (const split of task.splits) {
    try {
      // With a tokenizer, those that could not be encoded were skipped.
      counts.push([split, (await task.requests(split)).length]);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { counts, problems };
}

/** The examples of the splits that were counted. */
async function readExamples(task: Task, counts: readonly [string, number][]): Promise<Example[]> {
  const examples = [];
  for (const [split] of counts) examples.push(...await task.examples(split));
  return examples;
}

/** Most rows that are listed one by one. */
const mostListed = 20;

/** What is wrong with the first rows that do not fit, a line each, and how many more there are. */
function describeBadRows({ skippedRows }: Task): string[] {
  const lines = skippedRows.slice(0, mostListed)
    .map(({ id, place, problem }) => new BadRowError(id, place, problem).message);
  const more = skippedRows.slice(mostListed);
  if (more.length === 0) return lines;
  const counts = Object.entries(countBySplit(more)).map(([split, count]) => `${count} of ${split}`).join(", ");
  return [...lines, `${counted(more.length, "more row")} ${more.length === 1 ? "does" : "do"} not fit: ${counts}`];
}

async function validate(name: string, options: Options, context: CommandContext): Promise<CommandResult> {
  const { "skip-bad-rows": skipsBadRows } = options;
  // Those that do not fit are counted here, whether or not they will be left out.
  const { tree, tokenizer, maxTokens, task } = await open(name, options, context, { skipBadRows: true });
  const { counts, problems } = task === null ? { counts: [], problems: [] } : await checkRows(task);
  if (task !== null && skipsBadRows) noteSkipped(task, context);
  // With a limit there is a tokenizer.
  const cut = task !== null && maxTokens !== null && options.truncate ? await readExamples(task, counts) : [];
  noteCuts(cut, maxTokens!, context);
  const badRows = task?.skippedRows ?? [];
  const isRowWrong = badRows.length > 0 && !skipsBadRows;
  const wrong = [...task !== null && isRowWrong ? describeBadRows(task) : [], ...problems];
  const rows = counts.map(([split, count]) => `${split} ${count}`).join(", ");
  const json = {
    name: tree.group?.name ?? tree.tasks[0].name,
    tasks: tree.tasks.map((config) => config.name),
    rows: task && Object.fromEntries(counts),
    ...(task && skipsBadRows && { skippedRows: countSkipped(task) }),
    ...(options.truncate && { truncatedRows: countBySplit(cut.filter(({ cutTokens }) => cutTokens !== undefined)) }),
    badRows: badRows.map((row) => ({ ...row })),
    problems,
  };
  if (wrong.length > 0) {
    const worked = options.fewshot ?? Math.max(...tree.tasks.map((config) => config.fewshot.count));
    const fewer = worked > 0 && maxTokens !== null ? ", or ask with fewer worked examples (--fewshot)" : "";
    const cutting = maxTokens !== null && !options.truncate ? ", or have long prompts cut (--truncate)" : "";
    return {
      text: `rows that fit: ${rows || "none"}\n`,
      json,
      failure: new CommandError(
        wrong.join("\nError: "),
        isRowWrong
          ? `mend the rows or the task file${fewer}${cutting}; with --skip-bad-rows, commands leave out rows that do not fit.`
          : "mend the file, or name another one with --data.",
      ),
    };
  }
  if (tokenizer && maxTokens === null) {
    context.note(`${options.model} has no config.json that can be used: rows may be too long for the model.`);
  }
  const what = tree.group === null ? "the task" : `the group of ${counted(tree.tasks.length, "task")}`;
  return {
    text:
      `${name}: ${what} can be read${task === null ? "; its rows were not looked at, name them with --data" : ""}.\n` +
      (rows ? `rows: ${rows}\n` : ""),
    json,
  };
}

export const tasks = defineCommand({
  name: "tasks",
  summary: "List the built-in tasks, show what a task asks, or check a task file.",
  description:
    "ls lists what is built in. show TASK prints the settings of a task, by name or file, and the request of one row: with\n" +
    "--model token by token. validate TASK reads the file and every row, lists\n" +
    "the first that do not fit, and exits with 1 where something is wrong; --json lists all of them.",
  example: "tasks show examples/demo/task/demo.yaml --model examples/demo/model --row 3",
  words: "(ls | show TASK | validate TASK)",
  options: tasksOptions,
  run(options, context, words) {
    const hint = "secateur tasks ls, secateur tasks show TASK, or secateur tasks validate TASK.";
    const verb = readSubcommand(words, { what: "subcommand", choices: ["ls", "show", "validate"], hint });
    refuseFurtherWords(words, verb === "ls" ? 1 : 2, hint);
    if (verb === "ls") return list();
    const [, name] = words;
    if (name === undefined) throw new UsageError(`tasks ${verb} needs a task`, hint);
    return verb === "show" ? show(name, options, context) : validate(name, options, context);
  },
});
