/** `secateur study`: the paper's whole study of a model on some tasks, in a folder where it can go on after a kill. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { digestWeights } from "../checkpoint/digest.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { hashOf, openTensorStore } from "../checkpoint/tensor_store.ts";
import { createCachedEngine } from "../engine/cached.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { formatJson, type Jsonable } from "../method/json.ts";
import { runStudy, serialiseStudy, type StudyTask } from "../method/study/study.ts";
import { commandLine } from "../report/command_line.ts";
import { studyMarkdown } from "../report/study_markdown.ts";
import { loadTokenizer } from "../tasks/tokenizer.ts";
import { type Command, type CommandContext, defineCommand } from "./command.ts";
import { withConfigFile } from "./config_file.ts";
import { CommandError, UsageError } from "./errors.ts";
import { withFolderLock } from "./folder_lock.ts";
import { findModel } from "./model.ts";
import { scoreSettings, searchSettings } from "./options.ts";
import { checkSettings, engineSettings } from "./session.ts";
import { openSameEngine, prepareStudyFolder, studyFileNames } from "./study_folder.ts";
import { readParts, type StudyOptions, studyOptions } from "./study_options.ts";
import { readRetained, readTask, readText } from "./study_tasks.ts";
import { version } from "./version.ts";

/** Tokens of a window of text, at most; longer ones would take much memory for a little more context. */
const longestWindow = 2048;

async function studyInFolder(options: StudyOptions, context: CommandContext) {
  const { signal, onProgress } = context;
  const startedAt = new Date();
  const parts = readParts(options.parts);
  const references = options.tasks.split(",").map((task) => task.trim()).filter((task) => task !== "");
  if (references.length === 0) throw new UsageError("--tasks names no task", "name at least one.");
  if (parts?.includes("contrast") && options.retain === undefined) {
    throw new UsageError("the part contrast needs a retained set", "name a task with --retain.");
  }
  const found = await findModel(options.model, context);
  const checkpoint = await openCheckpoint(found.folder);
  try {
    const settings = { score: scoreSettings(options), search: searchSettings(options) };
    checkSettings(settings, checkpoint);
    const tokenizer = await loadTokenizer(found.folder);
    const tasks: StudyTask[] = [];
    const { maxPositions } = checkpoint.config;
    const model = { tokenizer, maxTokens: maxPositions };
    for (const reference of references) tasks.push(await readTask(reference, model, options, context));
    const retained = await readRetained(options.retain, model, options, context);
    const texts = await readText(options.text, tokenizer, Math.min(maxPositions, longestWindow));
    const studied = tasks.map((task): StudyTask => ({
      ...task,
      ...retained,
      elsewhere: {
        texts,
        tasks: tasks.filter((other) => other !== task).map(({ task: name, test, metric = "acc" }) => ({
          name,
          examples: test,
          metric,
        })),
      },
    }));
    const { out } = options;
    return await withFolderLock(out, async () => {
      await prepareStudyFolder(out, found.reference, options.overwrite);
      const digest = await digestWeights(checkpoint, { signal });
      let slow: Engine | undefined;
      const engine = await openSameEngine(out, checkpoint, {
        engine: options.engine,
        ...engineSettings(options, context),
      });
      try {
        const { kind, adapter, details } = engine.info;
        // Another adapter, or other kernels, give other last bits: their answers must not be mixed.
        const namespace = hashOf([digest, version, kind, adapter, String(details.kernels)].join("\n"));
        const store = await openTensorStore(join(out, studyFileNames.units));
        const cached = createCachedEngine(engine, store, { namespace });
        const referenceEngine = async () => {
          slow ??= kind === "reference" ? engine : await openEngine(checkpoint, { engine: "reference" });
          return createCachedEngine(slow, store, { namespace: hashOf([digest, version, "reference"].join("\n")) });
        };
        const study = await runStudy({
          engine: cached,
          checkpoint,
          tasks: studied,
          referenceEngine,
          model: found.reference,
          versions: { secateur: version },
          options: {
            ...(parts && { parts }),
            redraws: options.redraws,
            size: options["adaptation-examples"],
            sizes: options.sizes,
            attributionRedraws: options["attribution-redraws"],
            exhaustiveNeurons: options["exhaustive-neurons"],
            seed: options.seed,
            sampling: options.sampling,
            ...settings,
          },
          signal,
          onProgress,
        });
        signal.throwIfAborted();
        const command = commandLine(context.typed);
        const markdown = studyMarkdown(study, command);
        // Loaded late: what draws charts is large.
        const { renderStudyReport } = await import("../report/study_report.ts");
        const log: Jsonable = {
          startedAt: startedAt.toISOString(),
          seconds: (Date.now() - startedAt.getTime()) / 1000,
          arguments: [...context.typed],
          // The engine counts what it does in its details.
          engine: { kind, adapter, details: { ...engine.info.details } },
          answers: { ...cached.counts },
        };
        await writeFileAtomic(join(out, studyFileNames.summary), markdown);
        await writeFileAtomic(join(out, studyFileNames.log), formatJson(log));
        await writeFileAtomic(join(out, studyFileNames.report), renderStudyReport(study, command));
        await writeFileAtomic(join(out, studyFileNames.study), serialiseStudy(study));
        return { study, markdown };
      } finally {
        await engine.close();
        if (slow !== engine) await slow?.close();
      }
    });
  } finally {
    await checkpoint.close();
  }
}

const command = defineCommand({
  name: "study",
  summary: "Reproduce the paper's study on a model and some tasks.",
  description:
    "Compares the paper's protocol with other rankings, projections, sample sizes, example filters, selection rules,\n" +
    "attribution methods and plans over several layers, over redraws of the adaptation examples; maps accuracy by layer and\n" +
    "fraction, and looks into what is pruned. Nothing is ever chosen on test rows.\n" +
    `Writes ${studyFileNames.study}, ${studyFileNames.summary} (what it prints), ${studyFileNames.report} (a page), ${studyFileNames.log} (times) and ${studyFileNames.units}/ (what was computed; a repeated\n` +
    "command goes on from there).",
  afterInterrupt: "the same command goes on from what was computed.",
  example:
    "study --model examples/demo/model --tasks examples/demo/task/demo.yaml --parts main --redraws 2 --limit 64 --out out/study",
  options: studyOptions,
  run: async (options, context) => {
    const status = await stat(options.out).catch(() => undefined);
    if (status && !status.isDirectory()) {
      throw new CommandError(`${options.out} is a file`, "name a folder with --out.");
    }
    const { study, markdown } = await studyInFolder(options, context);
    return { text: markdown, json: study as unknown as Jsonable };
  },
});

/** The command; its options may also stand in a file. */
export const study: Command = { ...command, expand: (args) => withConfigFile(studyOptions, args) };
