/**
 * What of a request can be told to be wrong before it becomes a job: from its own splits and numbers, and from the
 * shape of the model. Templates and texts are left to the job's Worker, for they may take long.
 */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { resolveScoreSettings, scoresToCome } from "../method/score.ts";
import { resolveSearchSettings } from "../method/search.ts";
import { adaptationSplit, AskedSplitError, requireSplit } from "../tasks/asked_split.ts";
import { checkPoolSize } from "../tasks/fewshot.ts";
import { checkSampleSize } from "../tasks/sample.ts";
import { isRestMeasured, requireRest } from "../tasks/test_rows.ts";
import { fewshotSplit, type NamedSplits, ownRoles } from "../tasks/split_roles.ts";
import { isRecord } from "../tasks/python_value.ts";
import { OptionError } from "../text/option_error.ts";
import type { JobRequest } from "./job_request.ts";
import { ProblemError } from "./problem.ts";

function refuse(field: string, problem: string): never {
  throw new ProblemError(400, `Cannot start the job: ${field}: ${problem}`);
}

/**
 * Looks at a field with what the job itself would use.
 *
 * @param field What is at fault; of several fields below it, the error says which.
 */
function look<T>(field: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof AskedSplitError) return refuse(field, error.problem);
    if (!(error instanceof OptionError)) throw error;
    return refuse(error.option === undefined ? field : `${field}.${error.option}`, error.message);
  }
}

/** What `fewshot_config` says, of which the rest is checked with the templates in it. */
function fewshotConfig({ task: { fewshot_config: value } }: JobRequest): { split?: unknown; samples?: unknown } {
  return isRecord(value) ? value : {};
}

/** The splits that the task names, each of which must have rows. */
function namedSplits(request: JobRequest): NamedSplits & { readonly fewshotSplit: string | null } {
  const { task, rows } = request;
  const splitOf = (value: unknown, field: string): string | null => {
    const split = value ?? null;
    if (split === null || typeof split === "string" && Object.hasOwn(rows, split)) return split;
    return refuse(field, `is ${JSON.stringify(split)}, but there are rows for ${Object.keys(rows).join(", ")}`);
  };
  const fewshot = splitOf(task.fewshot_split, "task.fewshot_split");
  const named = {
    trainingSplit: splitOf(task.training_split, "task.training_split"),
    validationSplit: splitOf(task.validation_split, "task.validation_split"),
    testSplit: splitOf(task.test_split, "task.test_split"),
    fewshotSplit: splitOf(fewshotConfig(request).split, "task.fewshot_config.split") ?? fewshot,
  };
  if (named.testSplit === null && named.validationSplit === null) {
    refuse("task.test_split", "is missing: expected the name of a split, here or under validation_split");
  }
  return named;
}

/** Refuses more worked examples than there are rows to take them from. */
function checkFewshot(request: JobRequest, named: ReturnType<typeof namedSplits>): void {
  const { task, rows, fewshot } = request;
  const { samples } = fewshotConfig(request);
  const pool = named.fewshotSplit === null && Array.isArray(samples)
    ? samples
    : rows[fewshotSplit(named, ownRoles(named))];
  const field = fewshot === undefined ? "task.num_fewshot" : "fewshot";
  look(field, () => checkPoolSize(fewshot ?? task.num_fewshot ?? 0, pool.length));
}

/**
 * Checks a request against itself and against the model.
 *
 * @param config Of the model that it names.
 * @throws {ProblemError} Status 400, naming the field, if the job could only fail.
 */
export function checkRequest(
  request: JobRequest,
  config: Pick<ModelConfig, "layers" | "width" | "neurons">,
): void {
  const { task: { task: name }, rows, adaptation, test, score, search } = request;
  const named = namedSplits(request);
  const { trainingSplit, evaluationSplit } = ownRoles(named);
  const task = { name, splits: Object.keys(rows), trainingSplit };
  const fitted = look("adaptation.split", () => adaptationSplit(task, adaptation.split));
  const measured = look("test.split", () => requireSplit(task, test.split ?? evaluationSplit));
  const { count, selectionCount } = adaptation;
  const available = rows[fitted].length;
  const counts = selectionCount === 0 ? "adaptation.count" : "adaptation.count and adaptation.selectionCount";
  look(counts, () => checkSampleSize(count + selectionCount, available, `the split ${fitted}`));
  if (isRestMeasured(task, test)) {
    look(counts, () => requireRest(task, available - count - selectionCount, available));
  } else if (measured === fitted && count + selectionCount + Math.min(test.limit ?? available, available) > available) {
    refuse("test.split", `is ${measured}, whose rows the adaptation examples are drawn from: name another one`);
  }
  checkFewshot(request, named);
  const settings = look("score", () => resolveScoreSettings(score, { config }));
  look("search", () => resolveSearchSettings(search, { config }, scoresToCome(settings, config)));
}
