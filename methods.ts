/// <reference types="@webgpu/types" />
/**
 * Other ways to score neurons, to choose layers and to look at what a plan does, beside the main job of `mod.ts`.
 *
 * Ten attribution methods under one call, and how far their rankings agree; plans over several layers; scores that
 * spare what must stay; what pruning does to perplexity and other tasks, to groups of examples and to how sure answers
 * are; which neurons follow a label, and the tokens they answer to. `docs/attribution.md` has the equations.
 *
 * @example How far a cheap method agrees with Integrated Gradients
 * ```ts
 * import { loadTask, loadTokenizer, openCheckpoint, openEngine, scoreNeurons } from "@secateur/secateur";
 * import { rankAgreement, scoreByMethod } from "@secateur/secateur/methods";
 *
 * const tokenizer = await loadTokenizer("examples/demo/model");
 * const task = await loadTask("examples/demo/task/demo.yaml", { tokenizer });
 * const examples = await task.sample("adaptation", { count: 4, seed: 0 });
 *
 * const checkpoint = await openCheckpoint("examples/demo/model");
 * const engine = await openEngine(checkpoint);
 * const { scores } = await scoreNeurons(engine, examples);
 * const cheap = await scoreByMethod("gradient-activation", { engine, examples });
 * console.log(rankAgreement(scores, cheap.scores).spearman);
 * await engine.close();
 * await checkpoint.close();
 * ```
 *
 * @module
 */

export { searchGlobal } from "./src/method/global_search.ts";
export { selectForward } from "./src/method/forward_selection.ts";
export { rankAgreement } from "./src/method/agreement.ts";
export { attributionMethodNames, attributionMethods, scoreByMethod } from "./src/method/attribution_methods.ts";
export { compareAttributions, integratedGradientsVariants } from "./src/method/compare_attributions.ts";
export { compareLayers } from "./src/method/compare_layers.ts";
export { shapleyScores } from "./src/method/shapley.ts";
export { integratedHessians } from "./src/method/integrated_hessians.ts";
export { compareGroups } from "./src/method/groups.ts";
export { calibrate } from "./src/method/calibration.ts";
export { labelCorrelations } from "./src/method/label_correlation.ts";
export { topActivations } from "./src/method/top_activations.ts";
export { measureDamage, measurePerplexity } from "./src/method/damage.ts";
export { cutText } from "./src/tasks/text_windows.ts";
export { contrastScores } from "./src/method/contrast.ts";

export type { Agreement, AgreementOptions, LayerAgreement } from "./src/method/agreement.ts";
export type { Calibration, CalibrationBin } from "./src/method/calibration.ts";
export type {
  Attribution,
  AttributionInput,
  AttributionMethod,
  AttributionMethodName,
} from "./src/method/attribution_methods.ts";
export type {
  AttributionComparison,
  AttributionOutcome,
  AttributionVariant,
  CompareAttributionsInput,
  VariantAgreement,
} from "./src/method/compare_attributions.ts";
export type { CompareLayersInput, LayerOutcome, LayersComparison, LayerStrategy } from "./src/method/compare_layers.ts";
export type { ContrastMode, ContrastOptions, ContrastScale } from "./src/method/contrast.ts";
export type * from "./src/method/damage.ts";
export type {
  ForwardInput,
  ForwardResult,
  ForwardSettings,
  ForwardStep,
  SplitMeasures,
  StopReason,
} from "./src/method/forward_selection.ts";
export type {
  GlobalConfiguration,
  GlobalSearchOptions,
  GlobalSearchResult,
  GlobalSearchSettings,
} from "./src/method/global_search.ts";
export type { GroupAnswers, GroupComparison, GroupsComparison } from "./src/method/groups.ts";
export type {
  LabelCorrelationOptions,
  LabelCorrelations,
  LabelledExamples,
  NeuronCorrelation,
  Pooling,
} from "./src/method/label_correlation.ts";
export type { TracedNeurons } from "./src/method/traces.ts";
export type { NeuronResponses, TopActivationOptions, TopRow, TopToken } from "./src/method/top_activations.ts";
export type { TextWindowOptions, TextWindows } from "./src/tasks/text_windows.ts";
export type { HessianOptions, HessianResult, HessianSettings, HessianSum } from "./src/method/integrated_hessians.ts";
export type { ShapleyOptions, ShapleyResult, ShapleySettings } from "./src/method/shapley.ts";
