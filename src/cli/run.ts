/** `secateur run`: all of it. */
import { runFileNames } from "../method/files.ts";
import type { Jsonable } from "../method/json.ts";
import { prunedFolderName } from "../method/run_folder.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";
import { formatJob, runJob } from "./job.ts";
import { engineOptions, modelOptions, runOptions, taskOptions } from "./options.ts";
import { withSession } from "./session.ts";

export const run = defineCommand({
  name: "run",
  summary: "Score, search, prune and evaluate: the whole job.",
  description:
    `Writes ${
      Object.values(runFileNames).join(", ")
    } and the pruned checkpoint ${prunedFolderName}/ into one folder, and\n` +
    "compares the plan on test examples with random neurons and with the neurons of lowest attribution.",
  example: "run --model examples/demo/model --task examples/demo/task/demo.yaml --out out/demo-run",
  options: {
    ...modelOptions,
    ...taskOptions,
    out: { type: "text", placeholder: "DIR", required: true, description: "Folder for the results, new or empty." },
    resume: { type: "flag", description: "Continue an interrupted run in --out: what is there is not computed again." },
    overwrite: { type: "flag", description: "Replace the run that is in --out." },
    ...runOptions,
    ...engineOptions,
  },
  run: (options, context) => {
    const { resume, overwrite } = options;
    if (resume && overwrite) throw new UsageError("--resume and --overwrite exclude each other", "give one of them.");
    return withSession(options, context, async (session) => {
      const job = await runJob(session, options, resume ? "resume" : overwrite ? "overwrite" : "refuse", context);
      return {
        text: `${formatJob(job)}\n`,
        json: { ...job.record as unknown as { [name: string]: Jsonable }, files: job.files },
      };
    });
  },
});
