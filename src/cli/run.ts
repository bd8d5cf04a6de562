/** `secateur run`: all of it. */
import { join } from "node:path";
import process from "node:process";
import { readModelConfig } from "../checkpoint/open.ts";
import { loadTask } from "../method/load_task.ts";
import { runFileNames } from "../method/files.ts";
import type { Jsonable } from "../method/json.ts";
import { begunKernels, prunedFolderName } from "../method/earlier_run.ts";
import { type CommandContext, type CommandResult, defineCommand } from "./command.ts";
import { describeError, exitCodes } from "./errors.ts";
import { checkJob, findDoneJob, type JobOptions, prepareJob, runJob } from "./job.ts";
import { type Existing, inspectFolder, jobFiles, remarkOnNothing } from "./job_folder.ts";
import { formatJob, namesTakenOver } from "./job_text.ts";
import { checkCopyPlace } from "./model.ts";
import { engineOptions, modelOptions, runOptions, taskOptions } from "./options.ts";
import { describeWork } from "./plan.ts";
import { requireKnownSplit, taskSettings, withEngine, withWork, type WorkOptions } from "./session.ts";

/** The waves and the files of a run that is not done. */
async function describeRun(
  options: Parameters<typeof describeWork>[0] & JobOptions,
  existing: Existing,
  context: CommandContext,
): Promise<CommandResult> {
  // What would stop the run stops its forecast, too.
  const found = await inspectFolder(options.out, existing);
  const { text, json } = await describeWork(options, context);
  const files = jobFiles.map((name) => ({
    file: join(options.out, name),
    exists: found.includes(name),
  }));
  const rows = files.map(({ file, exists }) =>
    `  ${file}${exists ? existing === "resume" ? ", there already" : ", to be replaced" : ""}`
  );
  return {
    text: `${text}\nfiles:\n${rows.join("\n")}\n\nNothing was computed or written.\n`,
    json: { ...json, files },
  };
}

/** What is wrong with what was typed, as far as files that are here tell; null where nothing is, or nothing tells. */
async function findMistake(
  options: JobOptions & Omit<WorkOptions, "fingerprint">,
  context: CommandContext,
): Promise<unknown> {
  try {
    // Nothing is downloaded for it.
    const environment = Object.create(process.env, { HF_HUB_OFFLINE: { value: "1" } });
    const config = await readModelConfig(options.model);
    const task = await loadTask(options.task, { ...taskSettings(options, context), hub: { environment } });
    requireKnownSplit(task, options);
    checkJob({ config, task }, options, () => {});
    return null;
  } catch (error) {
    return describeError(error).code === exitCodes.usage ? error : null;
  }
}

/**
 * Refuses a folder that a new run may not write into, before a model by name is downloaded; what cannot be right on the
 * command line is said first.
 */
async function refuseFolder(
  options: JobOptions & Omit<WorkOptions, "fingerprint">,
  context: CommandContext,
): Promise<void> {
  try {
    await inspectFolder(options.out, "refuse");
  } catch (error) {
    throw await findMistake(options, context) ?? error;
  }
}

export const run = defineCommand({
  name: "run",
  summary: "Score, search, prune and evaluate: the whole job.",
  description:
    `Writes ${
      Object.values(runFileNames).join(", ")
    } and the pruned checkpoint ${prunedFolderName}/ into one folder, and\n` +
    "compares the plan on test examples with random neurons and with the neurons of lowest attribution.",
  example: "run --model examples/demo/model --task examples/demo/task/demo.yaml --out out/demo-run",
  afterInterrupt: "the same command with --resume goes on after the last finished stage, or block of test rows.",
  options: {
    ...modelOptions,
    ...taskOptions,
    out: { type: "text", placeholder: "DIR", required: true, description: "Folder for the results, new or empty." },
    resume: {
      type: "flag",
      description:
        "Continue an interrupted run in --out: scores, search and answers to test rows that are there are not computed again. A run that is complete is given again if options, model and rows are the same, and refused otherwise.",
    },
    overwrite: { type: "flag", description: "Replace the run that is in --out." },
    "dry-run": { type: "flag", description: "Print the waves and the files of the run, and do nothing." },
    ...runOptions,
    ...engineOptions,
  },
  run: async (options, context) => {
    const { resume, overwrite } = options;
    const existing = resume ? "resume" : overwrite ? "overwrite" : "refuse";
    await checkCopyPlace(options.model, join(options.out, prunedFolderName));
    if (options["dry-run"]) return await describeRun(options, existing, context);
    if (existing === "refuse") await refuseFolder(options, context);
    const remark = resume ? await remarkOnNothing(options.out) : null;
    if (remark !== null) context.note(remark);
    return await withWork(options, context, async (work) => {
      const examples = await prepareJob(work, options, existing, context);
      const done = resume ? await findDoneJob(work, examples, options) : null;
      const job = done ?? await withEngine(
        work,
        options,
        context,
        (session) => runJob(session, examples, options, existing, context),
        resume ? await begunKernels(options.out) : undefined,
      );
      const takenOver = namesTakenOver(job);
      return {
        text: `${formatJob(job, context.style)}\n`,
        json: {
          ...job.record as unknown as { [name: string]: Jsonable },
          files: job.files,
          ...(takenOver && { takenOver }),
        },
      };
    });
  },
});
