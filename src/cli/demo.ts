/** `secateur demo`: the whole job on the bundled model, and the same over redraws of the adaptation examples. */
import { fileURLToPath } from "node:url";
import type { Jsonable } from "../method/json.ts";
import { type Arm, type RedrawResult, runRedraws, type Spread } from "../method/redraws.ts";
import { type OptionValues, parseOptions } from "./arguments.ts";
import { defineCommand } from "./command.ts";
import { CommandError } from "./errors.ts";
import { type JobOptions, planningOptions, prepareJob, runJob } from "./job.ts";
import { formatJob } from "./job_text.ts";
import { budgetOptions, engineOptions, runOptions, testOptions } from "./options.ts";
import { adaptationSplit, withSession, type Work } from "./session.ts";
import { formatConfiguration, formatShare, formatTable } from "./text.ts";

const folder = new URL("../../examples/demo/", import.meta.url);

const armNames: Readonly<Record<Arm, string>> = {
  unpruned: "unpruned",
  pruned: "pruned",
  random: "random",
  randomSearched: "random, searched",
  lowest: "lowest attribution",
};
const arms = Object.keys(armNames) as Arm[];

function formatSpread(spread: Spread | undefined): string {
  return spread ? `${formatShare(spread.mean)} ± ${formatShare(spread.standardDeviation)}` : "-";
}

/** One row per redraw, then mean and standard deviation, then the gains. */
function formatRedraws({ redraws, accuracy, gainOver, seconds }: RedrawResult, size: number): string {
  const table = formatTable([
    ["redraw", ...arms.map((arm) => armNames[arm]), "chosen"],
    ...redraws.map((redraw) => [
      `seed ${redraw.seed}`,
      ...arms.map((arm) => formatShare(redraw.accuracy[arm])),
      formatConfiguration(redraw.chosen),
    ]),
    ["mean", ...arms.map((arm) => formatShare(accuracy[arm]?.mean)), ""],
    ["standard deviation", ...arms.map((arm) => formatShare(accuracy[arm]?.standardDeviation)), ""],
  ]);
  const gains = Object.entries(gainOver).map(([arm, gain]) => `${armNames[arm as Arm]} ${formatSpread(gain)}`);
  return `${redraws.length} redraws of ${size} adaptation examples, test accuracy:\n${table}\n\n` +
    `gain of pruned over: ${gains.join("; ")}\nseconds: ${seconds.toFixed(1)}`;
}

export const demo = defineCommand({
  name: "demo",
  summary: "Do the whole job on the bundled model.",
  description:
    "Scores, searches, prunes and evaluates a small Llama that learned a rule and a shortcut, from ten examples; then repeats\n" +
    "it over redraws of those ten. Falls back to the reference engine where there is no WebGPU adapter.",
  example: "demo --redraws 3",
  options: {
    out: {
      type: "text",
      placeholder: "DIR",
      default: "out/demo",
      description: "Folder for the results; an earlier run in it is replaced.",
    },
    redraws: {
      type: "integer",
      min: 1,
      max: 1000,
      default: 10,
      description: "How often to draw adaptation examples anew.",
    },
    seed: runOptions.seed,
    limit: testOptions.limit,
    engine: { ...engineOptions.engine, choices: ["webgpu", "reference", "auto"], default: "auto" },
    ...budgetOptions,
  },
  run: async (options, context) => {
    if (folder.protocol !== "file:") {
      throw new CommandError("the demo's model is not on this machine", "clone the repository and run the demo in it.");
    }
    const model = fileURLToPath(new URL("model", folder));
    const task = fileURLToPath(new URL("task/demo.yaml", folder));
    const defaults: OptionValues<typeof runOptions> = parseOptions("demo", runOptions, []);
    const { out, seed, limit, redraws } = options;
    const jobOptions: JobOptions = { ...defaults, model, out, seed, limit };
    const prepare = (work: Work) => prepareJob(work, jobOptions, "overwrite", context);
    return await withSession({ ...options, model, task }, context, prepare, async (session, examples) => {
      const { engine } = session;
      if (options.engine === "auto" && engine.info.kind === "reference") {
        context.note("No WebGPU adapter was found: the demo runs on the float64 reference engine, which is slow.");
      }
      const job = await runJob(session, examples, jobOptions, "overwrite", context);

      const split = adaptationSplit(session.task, undefined);
      const size = jobOptions["adaptation-examples"];
      const { signal, onProgress } = context;
      const redrawn = await runRedraws({
        engine,
        pool: await session.task.examples(split),
        test: examples.test,
        redraws,
        size,
        ...planningOptions(session, jobOptions),
        // The redraws are averaged anyway.
        randomDraws: 1,
        signal,
        onProgress,
      });
      return {
        text: `${formatJob(job, context.style)}\n\n${formatRedraws(redrawn, size)}\n`,
        json: { run: job.record, redraws: redrawn, files: job.files } as unknown as Jsonable,
      };
    });
  },
});
