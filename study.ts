/// <reference types="@webgpu/types" />
/**
 * Studies: the paper's protocol on your model, with its ablations, redraws and baselines, and what it left open.
 *
 * `runStudy` runs parts on several tasks; each part is a function of its own. They share what they compute through an
 * engine that remembers. A selection rule chooses one plan among those that a search measured. `docs/study.md` has the
 * parts and the fields of their results.
 *
 * @example The main table of a task, from two draws of ten examples
 * ```ts
 * import { loadTask, loadTokenizer, openCheckpoint, openEngine } from "@secateur/secateur";
 * import { createCachedEngine, createMemoryStore, runStudy, studyMarkdown } from "@secateur/secateur/study";
 *
 * const tokenizer = await loadTokenizer("examples/demo/model");
 * const task = await loadTask("examples/demo/task/demo.yaml", { tokenizer });
 * const checkpoint = await openCheckpoint("examples/demo/model");
 * const engine = await openEngine(checkpoint);
 * const study = await runStudy({
 *   engine: createCachedEngine(engine, createMemoryStore(), { namespace: "demo" }),
 *   checkpoint,
 *   model: "demo",
 *   versions: {},
 *   tasks: [{
 *     task: task.name,
 *     pool: await task.examples("adaptation"),
 *     test: await task.examples("test", { limit: 20 }),
 *   }],
 *   options: { parts: ["main"], redraws: 2 },
 * });
 * console.log(studyMarkdown(study));
 * await engine.close();
 * await checkpoint.close();
 * ```
 *
 * @module
 */

export { parseStudy, runStudy, serialiseStudy } from "./src/method/study/study.ts";
export { studyMain } from "./src/method/study/main_table.ts";
export { studyProjections } from "./src/method/study/projections.ts";
export { studySamples } from "./src/method/study/samples.ts";
export { studyGrid } from "./src/method/study/grid_profile.ts";
export { studyStability } from "./src/method/study/stability.ts";
export { studyFilters } from "./src/method/study/example_filters.ts";
export { studySelection } from "./src/method/study/selection_study.ts";
export { studyAttributions } from "./src/method/study/attribution_study.ts";
export { studyLayers } from "./src/method/study/layers_study.ts";
export { studyShortcuts } from "./src/method/study/shortcut_study.ts";
export { studyContrast } from "./src/method/study/contrast_study.ts";
export { resolveStudySettings, studyParts } from "./src/method/study/settings.ts";
export { studyMarkdown } from "./src/report/study_markdown.ts";
export { chooseCell, selectionRules } from "./src/method/selection_rules.ts";
export { createCachedEngine } from "./src/engine/cached.ts";
export { createMemoryStore, openTensorStore } from "./src/checkpoint/tensor_store.ts";

export type { CellAnswers, RuleInput } from "./src/method/selection_rules.ts";
export type { CacheCounts, CachedEngine, CachedEngineOptions } from "./src/engine/cached.ts";
export type { StoredArray, TensorStore, TensorStoreOptions } from "./src/checkpoint/tensor_store.ts";
export type { ArmRedraw, ComparedArm, Comparison } from "./src/method/study/comparison.ts";
export type { AttributionStudy, VariantStudy } from "./src/method/study/attribution_study.ts";
export type { ContrastStudy } from "./src/method/study/contrast_study.ts";
export type { LayersStudy } from "./src/method/study/layers_study.ts";
export type { ShortcutStudy, Sureness } from "./src/method/study/shortcut_study.ts";
export type { FilterStudy } from "./src/method/study/example_filters.ts";
export type { GridStudy } from "./src/method/study/grid_profile.ts";
export type { ProjectionStudy } from "./src/method/study/projections.ts";
export type { SampleStudy } from "./src/method/study/samples.ts";
export type { SelectionStudy } from "./src/method/study/selection_study.ts";
export type { StudyOptions, StudyPart, StudySettings } from "./src/method/study/settings.ts";
export type { StabilityStudy } from "./src/method/study/stability.ts";
export type { StudyDocument, StudyInput, StudyResults, StudyTask, TaskStudy } from "./src/method/study/study.ts";
export type { PairedDifference, RedrawSummary } from "./src/method/study/statistics.ts";
export type { StudySubject } from "./src/method/study/subject.ts";
