/** Results of a run that nobody ran: every number from a seed, consistent with each other, of any size. */
import type { EngineInfo } from "../../src/engine/engine.ts";
import { describeAnswers } from "../../src/method/answers_file.ts";
import { type PathCompleteness, summariseCompleteness } from "../../src/method/completeness.ts";
import { evaluateLogProbs } from "../../src/method/evaluate.ts";
import { layerScores } from "../../src/method/neuron_scores.ts";
import type { PipelineInput, PipelineResult } from "../../src/method/pipeline.ts";
import { planFromSearch } from "../../src/method/search.ts";
import { firstNeurons, neuronCount, rankNeurons } from "../../src/method/rank.ts";
import { describeRun } from "../../src/method/run_record.ts";
import type { RunResults } from "../../src/method/run_results.ts";
import { resolveScoreSettings } from "../../src/method/score.ts";
import { compareConfigurations, type Configuration, resolveSearchSettings } from "../../src/method/search.ts";
import type { NeuronTraces } from "../../src/method/neuron_excerpts.ts";
import type { Example } from "../../src/tasks/example.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { toyConfig } from "./toy_engine.ts";

/** What the results look like. */
export interface SampleRun {
  readonly seed?: number;
  /** Default 3. */
  readonly layers?: number;
  /** Default 24. */
  readonly neurons?: number;
  /** Default 4. */
  readonly adaptation?: number;
  /** Default 40. */
  readonly test?: number;
  /** Chance that the pruned model is right where the unmodified one is wrong; default 0.6. */
  readonly gain?: number;
  /** Chance that the pruned model is wrong where the unmodified one is right; default 0.05. */
  readonly loss?: number;
  /** Makes no configuration better than the unmodified model. Default false. */
  readonly nothingHelps?: boolean;
  readonly path?: "layer" | "joint";
  readonly ranking?: "signed" | "absolute" | "positive";
  readonly model?: string;
  readonly task?: string;
  readonly adapter?: string;
  readonly arguments?: readonly string[];
  /** Text of the tokens of the excerpts. */
  readonly tokenText?: (place: number) => string;
  /** Tokens of an excerpt. Default 12. */
  readonly excerptTokens?: number;
  /** In front of every example's id. */
  readonly prefix?: string;
}

/** Makes results. */
export function sampleRunResults(sample: SampleRun = {}): RunResults {
  const { seed = 1, layers = 3, neurons = 24, adaptation = 4, test: testCount = 40, gain = 0.6, loss = 0.05 } = sample;
  const { path = "layer", ranking = "signed", nothingHelps = false, prefix = "" } = sample;
  const random = createRandom(seed);
  const uniform = () => 2 * random.nextFloat() - 1;
  const config = toyConfig({ layers, neurons });
  const examples = (split: string, count: number): Example[] =>
    Array.from({ length: count }, (_, row) => ({
      id: `${prefix}${split}/${row}`,
      prompt: Uint32Array.of(row),
      choices: [Uint32Array.of(1), Uint32Array.of(2)],
      choiceCharacters: [2, 3],
      gold: random.nextBelow(2),
    }));
  const adapted = examples("adaptation", adaptation), tested = examples("test", testCount);

  // Few large scores and many small ones, as attributions are.
  const scoreSettings = resolveScoreSettings({ path }, { config });
  const values = Float32Array.from({ length: layers * neurons }, () => 0.05 * uniform() ** 5 + 0.001 * uniform());
  const scores = { site: "gate" as const, layers, neurons, scored: scoreSettings.layers, values };
  const paths = adapted.flatMap((_, example) =>
    (path === "joint" ? [null] : scoreSettings.layers).map((layer): PathCompleteness => {
      const change = uniform(), error = 10 ** (-6 + 4.5 * random.nextFloat());
      return {
        example,
        layer,
        nodes: error > 0.001 ? 16 : 8,
        objectiveAtOne: 3 + change,
        objectiveAtZero: 3,
        attributionSum: change * (1 + error),
        relativeError: error,
      };
    })
  );
  const scored: RunResults["scored"] = {
    scores,
    examples: adapted.map(({ id }) => id),
    targets: new Uint32Array(adaptation),
    completenessError: summariseCompleteness(paths, 0.01),
    nodesUsed: paths.reduce((sum, { nodes }) => sum + nodes, 0),
    settings: scoreSettings,
    seconds: 0,
  };

  const settings = resolveSearchSettings({ ranking }, { config }, scores);
  const base = Math.floor(adaptation / 2);
  const configurations: Configuration[] = [
    { layer: null, fraction: 0, neurons: 0, correct: base, accuracy: base / adaptation, meanMargin: 0.25 },
    ...settings.layers.flatMap((layer) =>
      settings.fractions.map((fraction): Configuration => {
        const change = random.nextBelow(nothingHelps ? 2 : 3) - 1;
        const correct = Math.max(0, Math.min(adaptation, base + change));
        return {
          layer,
          fraction,
          neurons: neuronCount(fraction, neurons),
          correct,
          accuracy: correct / adaptation,
          meanMargin: nothingHelps ? -1 - random.nextFloat() : uniform(),
        };
      })
    ),
  ];
  const chosen = configurations.reduce(
    (best, configuration, index) => compareConfigurations(configuration, configurations[best]) < 0 ? index : best,
    0,
  );
  const { layer, neurons: count, correct } = configurations[chosen];
  const searched: RunResults["searched"] = {
    site: "gate",
    settings,
    examples: scored.examples,
    configurations,
    chosen,
    neurons: layer === null ? new Uint32Array() : firstNeurons(rankNeurons(layerScores(scores, layer), ranking), count),
    tiedOnAccuracy: configurations.filter((other) => other.correct === correct).length,
    seconds: 0,
  };
  const plan = planFromSearch(config, searched);

  const answer = ({ gold }: Example, isRight: boolean) => {
    const sure = -0.05 - 0.6 * random.nextFloat();
    const other = Math.log(1 - Math.exp(sure));
    return Float64Array.from(
      [0, 1],
      (choice) => (choice === gold) === isRight ? Math.max(sure, other) : Math.min(sure, other),
    );
  };
  const rightBefore = tested.map(() => random.nextFloat() < 0.6);
  const rightAfter = rightBefore.map((right) => random.nextFloat() < (right ? 1 - loss : gain));
  const evaluation = (right: readonly boolean[]) =>
    evaluateLogProbs(tested, tested.map((example, i) => answer(example, right[i])));
  const unpruned = evaluation(rightBefore);
  const pruned = layer === null ? unpruned : evaluation(rightAfter);
  const test = {
    unpruned,
    pruned,
    lowest: unpruned,
    random: [unpruned, evaluation(rightBefore)],
    randomSearched: unpruned,
  };

  const info: EngineInfo = { kind: "webgpu", adapter: sample.adapter ?? "a made-up adapter", details: {} };
  const provenance = {
    model: sample.model ?? "models/sample",
    task: sample.task ?? "tasks/sample.yaml",
    versions: { secateur: "0.1.0" },
  };
  const seconds = { score: 12.5, search: 3.25, randomSearch: 3, evaluate: 41, total: 60 };
  const performance = {
    flops: 1.5e13,
    busySeconds: 55,
    gigaflopsPerSecond: 273,
    peakBytes: 3e9,
    waves: 412,
    forecast: null,
  };
  const input = { engine: { info }, adaptation: adapted, selection: adapted, test: tested, seed };
  const result = { scored, searched, randomSearched: searched, test, seconds };
  const record = describeRun(input as unknown as PipelineInput, result as unknown as PipelineResult, {
    provenance,
    startedAt: "2026-01-02T03:04:05.678Z",
    arguments: sample.arguments ?? ["run", "--model", "models/sample", "--out", "out/my run"],
    performance,
  });
  return { record, scored, searched, plan, answers: describeAnswers(tested, test, provenance), traces: traces() };

  function traces(): NeuronTraces | null {
    if (layer === null) return null;
    const { tokenText = (place) => ` word${place}`, excerptTokens = 12 } = sample;
    const order = rankNeurons(layerScores(scores, layer), ranking);
    return {
      site: "gate",
      examples: testCount,
      tokens: testCount * 20,
      neurons: Array.from(order.subarray(0, Math.min(16, count)), (neuron) => ({
        layer,
        neuron,
        meanAbsolute: 0.25,
        excerpts: Array.from({ length: 4 }, (_, row) => ({
          example: `${prefix}test/${row}`,
          start: row === 3 ? 5 : 0,
          length: excerptTokens + (row === 3 ? 9 : 0),
          tokens: Array.from({ length: excerptTokens }, (_, place) => tokenText(place)),
          activations: Array.from({ length: excerptTokens }, () => Number((5 * uniform()).toPrecision(4))),
        })),
      })),
    };
  }
}
