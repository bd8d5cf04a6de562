/// <reference types="@webgpu/types" />
/**
 * Secateur finds and prunes the neurons of a large language model that drive confident but wrong answers.
 *
 * It scores every feed-forward neuron by Integrated Gradients on a few labelled examples, searches for the layer and
 * the fraction of its highest-scored neurons whose removal helps most, and applies the plan as a mask or writes it as a
 * new checkpoint. The kernels are WGSL and run on any WebGPU adapter; a float64 reference engine runs without one.
 *
 * This entry is the main job. Three more entries have what goes beyond it, and one needs no file system:
 *
 * - `@secateur/secateur/methods`: other ways to score neurons and to choose layers, and what a plan does elsewhere
 * - `@secateur/secateur/study`: the paper's protocol with its ablations, and rules that choose among plans
 * - `@secateur/secateur/shards`: one job on many machines
 * - `@secateur/secateur/core`: the main job in browsers and other runtimes
 *
 * Every name that takes a GPU takes yours: `openEngine(checkpoint, { device })`.
 *
 * @example Score, search, and compare the plan with the unmodified model
 * ```ts
 * import { evaluate, loadTask, loadTokenizer, openCheckpoint, openEngine } from "@secateur/secateur";
 * import { planFromSearch, planToIntervention, scoreNeurons, searchGrid } from "@secateur/secateur";
 *
 * const tokenizer = await loadTokenizer("examples/demo/model");
 * const task = await loadTask("examples/demo/task/demo.yaml", { tokenizer });
 * const adaptation = await task.sample("adaptation", { count: 10, seed: 0 });
 * const test = await task.examples("test", { limit: 20 });
 *
 * const checkpoint = await openCheckpoint("examples/demo/model");
 * const engine = await openEngine(checkpoint);
 * const { scores } = await scoreNeurons(engine, adaptation);
 * const plan = planFromSearch(engine.config, await searchGrid(engine, adaptation, scores));
 * const interventions = [[], planToIntervention(plan)];
 * const [unpruned, pruned] = await evaluate(engine, test, { interventions });
 * console.log(unpruned.scores.acc.accuracy, pruned.scores.acc.accuracy);
 * await engine.close();
 * await checkpoint.close();
 * ```
 *
 * @module
 */

export { resolveModel, resolveSplits } from "./src/checkpoint/hub.ts";
export { openCheckpoint } from "./src/checkpoint/open.ts";
export { writePrunedCheckpoint } from "./src/checkpoint/prune_checkpoint.ts";
export { loadTokenizer } from "./src/tasks/tokenizer.ts";
export { buildExample } from "./src/tasks/example_builder.ts";
export { loadChatTemplate } from "./src/tasks/chat_template.ts";
export { loadTask } from "./src/method/load_task.ts";
export { openEngine } from "./src/engine/open.ts";
export { NotFiniteError } from "./src/engine/not_finite.ts";
export { WrongResultsError } from "./src/engine/webgpu/wrong_results.ts";
export { GpuFailure, NoAdapterError } from "./src/gpu/device.ts";
export { OutOfGpuMemoryError } from "./src/gpu/memory.ts";
export { scoreNeurons } from "./src/method/score.ts";
export { planFromSearch, searchGrid } from "./src/method/search.ts";
export { createPlan, planToIntervention } from "./src/method/plan.ts";
export { evaluate } from "./src/method/evaluate.ts";
export { compareEvaluations } from "./src/method/compare.ts";
export { runPipeline } from "./src/method/pipeline.ts";
export { runRedraws } from "./src/method/redraws.ts";
export { readPlan, readScores, writePlan, writeScores } from "./src/method/files.ts";

export type * from "./src/checkpoint/byte_source.ts";
export type * from "./src/checkpoint/checkpoint.ts";
export type * from "./src/checkpoint/model_config.ts";
export type { ResolvedRepository, ResolvedSplits, ResolveOptions, ResolveSplitsOptions } from "./src/checkpoint/hub.ts";
export type { Subset } from "./src/checkpoint/dataset_layout.ts";
export type { TaskOptions } from "./src/method/load_task.ts";
export type { SkippedRow } from "./src/tasks/bad_row.ts";
export type { DataOptions, DataWish, FilesBySplit, FoundData } from "./src/tasks/task_data.ts";
export type { DatasetName } from "./src/tasks/task_config.ts";
export type { Environment } from "./src/checkpoint/hub_environment.ts";
export type { HubTiming } from "./src/checkpoint/hub_retry.ts";
export type { DownloadProgress } from "./src/checkpoint/hub_snapshot.ts";
export type { KernelVariant } from "./src/ops/context.ts";
export type { Json, JsonObject } from "./src/checkpoint/strict_json.ts";
export type { NeuronMask, PrunedCheckpoint, PruneOptions } from "./src/checkpoint/prune_checkpoint.ts";
export type * from "./src/engine/engine.ts";
export type { OpenEngineOptions } from "./src/engine/open.ts";
export type { WebGpuEngineOptions } from "./src/engine/webgpu.ts";
export type { CompletenessError, PathCompleteness } from "./src/method/completeness.ts";
export type { CompareOptions, EvaluationComparison } from "./src/method/compare.ts";
export type { EvaluateOptions, Evaluation } from "./src/method/evaluate.ts";
export type { SampleFilter } from "./src/method/filter.ts";
export type { Measured } from "./src/method/measured.ts";
export type { NeuronScores, Normalisation } from "./src/method/neuron_scores.ts";
export type {
  PipelineInput,
  PipelineResult,
  PlanningInput,
  PlanningOptions,
  PlanningResult,
  Plans,
  TestResults,
} from "./src/method/pipeline.ts";
export type { Plan, PlanMask, PlanModel } from "./src/method/plan.ts";
export type { Provenance } from "./src/method/provenance.ts";
export type { RuleName } from "./src/method/quadrature.ts";
export type { Ranking } from "./src/method/rank.ts";
export type { Arm, Redraw, RedrawInput, RedrawResult, Spread } from "./src/method/redraws.ts";
export type { ScoreOptions, ScoreResult, ScoreSettings } from "./src/method/score.ts";
export type { SavedScores } from "./src/method/scores_file.ts";
export type { BaseSelectionRule, SelectionRule } from "./src/method/selection_rules.ts";
export type { Configuration, SearchOptions, SearchResult, SearchSettings } from "./src/method/search.ts";
export type { Message } from "./src/tasks/message.ts";
export type { PromptFrame } from "./src/tasks/request.ts";
export type { PromptStyle } from "./src/tasks/builtin_tasks.ts";
export type { ChatTemplate, ChatTemplateOptions } from "./src/tasks/chat_template.ts";
export type { GroupMetric, TaskGroup } from "./src/tasks/task_tree.ts";
export type { Row } from "./src/tasks/dataset.ts";
export type { RawRow } from "./src/tasks/data_file.ts";
export type { Value, ValueRecord } from "./src/tasks/python_value.ts";
export type { BuildExampleOptions, ChoiceRequest } from "./src/tasks/example_builder.ts";
export type { Example } from "./src/tasks/example.ts";
export type { SampleOptions, Sampling } from "./src/tasks/sample.ts";
export type { FurtherMetric, FurtherScore } from "./src/tasks/further_scoring.ts";
export type { Metric, Score } from "./src/tasks/scoring.ts";
export type { LoadTaskOptions, RowMark, Selection, Task } from "./src/tasks/task.ts";
export type { StandIn } from "./src/tasks/split_roles.ts";
export type { EncodeOptions, LoadTokenizerOptions, Tokenizer, TokenizerSources } from "./src/tasks/tokenizer_from.ts";
