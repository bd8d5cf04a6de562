/// <reference types="@webgpu/types" />
/**
 * Secateur's core, for any runtime with WebGPU: checkpoints, tokenizers, engines and the method, without a file system.
 *
 * Nothing here imports from Deno or Node, so browsers run it. `mod.ts` has the same names but for those that take the
 * place of files here, such as `openCheckpointFrom`.
 *
 * @example Score the neurons of a model that a web server offers
 * ```ts
 * import { buildExample, createTokenizer, openCheckpointFrom, openEngine } from "@secateur/secateur/core";
 * import { openHttpSource, scoreNeurons } from "@secateur/secateur/core";
 *
 * async function scoreModel(model: string) {
 *   const read = async (name: string) => await (await fetch(`${model}/${name}`)).text();
 *   const tokenizer = createTokenizer({
 *     location: model,
 *     tokenizer: await read("tokenizer.json"),
 *     config: await read("tokenizer_config.json"),
 *   });
 *   const weights = await openHttpSource(`${model}/model.safetensors`);
 *   const checkpoint = await openCheckpointFrom({
 *     location: model,
 *     config: await read("config.json"),
 *     files: new Map([["model.safetensors", weights]]),
 *   });
 *   const choices = ["blue", "red"];
 *   const continuations = choices.map((choice) => ` ${choice}`);
 *   const question = { id: "1", context: "The sky is", continuations, choices, gold: 0 };
 *   const engine = await openEngine(checkpoint);
 *   return await scoreNeurons(engine, [buildExample(question, tokenizer)]);
 * }
 * ```
 *
 * @module
 */

export { openCheckpointFrom } from "./src/checkpoint/open_from.ts";
export { openHttpSource } from "./src/checkpoint/http_source.ts";
export { memorySource } from "./src/checkpoint/memory_source.ts";
export { createTokenizer } from "./src/tasks/tokenizer_from.ts";
export { buildExample } from "./src/tasks/example_builder.ts";
export { openEngine } from "./src/engine/open.ts";
export { NotFiniteError } from "./src/engine/not_finite.ts";
export { WrongResultsError } from "./src/engine/webgpu/wrong_results.ts";
export { GpuFailure, NoAdapterError } from "./src/gpu/device.ts";
export { OutOfGpuMemoryError } from "./src/gpu/memory.ts";
export { scoreNeurons } from "./src/method/score.ts";
export { planFromSearch, searchGrid } from "./src/method/search.ts";
export { createPlan, planToIntervention } from "./src/method/plan.ts";
export { evaluate } from "./src/method/evaluate.ts";
export { runPipeline } from "./src/method/pipeline.ts";
export { runRedraws } from "./src/method/redraws.ts";

export type * from "./src/checkpoint/byte_source.ts";
export type * from "./src/checkpoint/checkpoint.ts";
export type { HttpSourceOptions } from "./src/checkpoint/http_source.ts";
export type * from "./src/checkpoint/model_config.ts";
export type { CheckpointSources } from "./src/checkpoint/open_from.ts";
export type * from "./src/engine/engine.ts";
export type { KernelVariant } from "./src/ops/context.ts";
export type { OpenEngineOptions } from "./src/engine/open.ts";
export type { WebGpuEngineOptions } from "./src/engine/webgpu.ts";
export type { CompletenessError, PathCompleteness } from "./src/method/completeness.ts";
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
export type { RuleName } from "./src/method/quadrature.ts";
export type { Ranking } from "./src/method/rank.ts";
export type { Arm, Redraw, RedrawInput, RedrawResult, Spread } from "./src/method/redraws.ts";
export type { ScoreOptions, ScoreResult, ScoreSettings } from "./src/method/score.ts";
export type { BaseSelectionRule, SelectionRule } from "./src/method/selection_rules.ts";
export type { Configuration, SearchOptions, SearchResult, SearchSettings } from "./src/method/search.ts";
export type { BuildExampleOptions, ChoiceRequest } from "./src/tasks/example_builder.ts";
export type { Example } from "./src/tasks/example.ts";
export type { FurtherMetric, FurtherScore } from "./src/tasks/further_scoring.ts";
export type { Sampling } from "./src/tasks/sample.ts";
export type { Metric, Score } from "./src/tasks/scoring.ts";
export type { EncodeOptions, LoadTokenizerOptions, Tokenizer, TokenizerSources } from "./src/tasks/tokenizer_from.ts";
