/** What pruned neurons respond to: the prompts, and the tokens in them, at which each is strongest. */
import type { Engine, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { NeuronScores } from "./neuron_scores.ts";
import type { Plan } from "./plan.ts";
import { type Ranking, rankNeurons } from "./rank.ts";
import { forEachTrace, type TraceOptions } from "./traces.ts";

/** One prompt, or the part of a long one around the strongest token. */
export interface Excerpt {
  /** Id of the example. */
  readonly example: string;
  /** Position in the prompt of the first token shown. */
  readonly start: number;
  /** Tokens of the whole prompt. */
  readonly length: number;
  /** Text of each token shown. */
  readonly tokens: readonly string[];
  /** h = silu(g) * u at each of them, to four digits. */
  readonly activations: readonly number[];
}

/** What one neuron responds to. */
export interface TracedNeuron {
  readonly layer: number;
  readonly neuron: number;
  /** Mean of |h| over everything that was read. */
  readonly meanAbsolute: number;
  /** Where |h| is largest, strongest first; at most one excerpt an example. */
  readonly excerpts: readonly Excerpt[];
}

/** What the first of a plan's neurons respond to. */
export interface NeuronTraces {
  readonly site: Site;
  /** Examples that were read. */
  readonly examples: number;
  /** Prompt tokens that were read. */
  readonly tokens: number;
  /** First in the ranking first. */
  readonly neurons: readonly TracedNeuron[];
}

/** Options of `traceNeurons`. */
export interface ExcerptOptions extends Omit<TraceOptions, "stage"> {
  /** Text of one token, such as `Tokenizer.tokenText`. */
  readonly tokenText: (id: number) => string;
  /** Which neurons come first. */
  readonly ranking: Ranking;
  /** Neurons to trace at most. Default 16. */
  readonly neurons?: number;
  /** Examples to read at most, the first ones. Default 256. */
  readonly examples?: number;
  /** Excerpts per neuron. Default 4. */
  readonly excerpts?: number;
  /** Tokens of an excerpt, at most. Default 40. */
  readonly excerptTokens?: number;
}

/**
 * Measures the activations of a plan's first neurons on the unmodified model, and keeps the strongest places.
 *
 * @returns Null for an empty plan, and for the site `down`, whose rows have no activation of their own.
 */
export async function traceNeurons(
  engine: Engine,
  examples: readonly Example[],
  plan: Plan,
  scores: NeuronScores,
  options: ExcerptOptions,
): Promise<NeuronTraces | null> {
  const { neurons: most = 16, examples: limit = 256, excerpts: kept = 4, excerptTokens = 40 } = options;
  const { signal, onProgress, resultBudgetBytes } = options;
  const chosen = firstOfPlan(plan, scores, options.ranking, most);
  if (chosen.length === 0 || scores.site === "down") return null;
  const layers = [...new Set(chosen.map(({ layer }) => layer))].sort((a, b) => a - b);
  const trace = layers.map((layer) => ({
    layer,
    neurons: Uint32Array.from(chosen.filter((one) => one.layer === layer), ({ neuron }) => neuron).sort(),
  }));

  const read = firstExamples(examples, limit);
  const strongest: Peak[][] = chosen.map(() => []);
  const sums = chosen.map(() => 0);
  const tokens = read.reduce((sum, { prompt }) => sum + prompt.length, 0);
  let visits = 0;
  await forEachTrace(engine, read, trace, (example, entry, h) => {
    const { layer, neurons } = trace[entry];
    const { prompt } = read[example];
    chosen.forEach((one, index) => {
      if (one.layer !== layer) return;
      const column = neurons.indexOf(one.neuron);
      const activations = Float32Array.from(prompt, (_, t) => h[t * neurons.length + column]);
      sums[index] += activations.reduce((sum, value) => sum + Math.abs(value), 0);
      strongest[index] = insertPeak(strongest[index], findPeak(read[example], activations), kept);
    });
    const done = Math.floor(++visits / trace.length);
    onProgress?.({ stage: "trace", done, total: read.length, unit: "examples" });
  }, { signal, resultBudgetBytes });
  return {
    site: scores.site,
    examples: read.length,
    tokens,
    neurons: chosen.map(({ layer, neuron }, index) => ({
      layer,
      neuron,
      meanAbsolute: fourDigits(sums[index] / tokens),
      excerpts: strongest[index].map((peak) => excerptAround(peak, excerptTokens, options.tokenText)),
    })),
  };
}

/** The first neurons of a plan by a ranking of their scores; layers take turns, so that each is seen. */
function firstOfPlan(
  plan: Plan,
  scores: NeuronScores,
  ranking: Ranking,
  most: number,
): { readonly layer: number; readonly neuron: number }[] {
  const queues = plan.masks.filter(({ site }) => site === scores.site).map(({ layer, neurons }) => {
    const planned = new Set(neurons);
    const row = scores.values.subarray(layer * scores.neurons, (layer + 1) * scores.neurons);
    return [...rankNeurons(row, ranking)].filter((neuron) => planned.has(neuron)).map((neuron) => ({ layer, neuron }));
  });
  const turns = Math.max(0, ...queues.map((queue) => queue.length));
  return Array.from({ length: turns }, (_, turn) => queues.flatMap((queue) => queue.slice(turn, turn + 1)))
    .flat().slice(0, most);
}

/** The first examples, each once. */
function firstExamples(examples: readonly Example[], limit: number): Example[] {
  return [...new Map(examples.map((example) => [example.id, example])).values()].slice(0, limit);
}

interface Peak {
  readonly example: Example;
  readonly activations: Float32Array;
  /** Position of the largest |h|, the first of several. */
  readonly position: number;
  readonly size: number;
}

function findPeak(example: Example, activations: Float32Array): Peak {
  let position = 0;
  activations.forEach((value, t) => {
    if (Math.abs(value) > Math.abs(activations[position])) position = t;
  });
  return { example, activations, position, size: Math.abs(activations[position]) };
}

/** The strongest peaks, strongest first; of equal ones the earlier stays in front. */
function insertPeak(peaks: readonly Peak[], peak: Peak, kept: number): Peak[] {
  const place = peaks.findIndex(({ size }) => size < peak.size);
  return peaks.toSpliced(place < 0 ? peaks.length : place, 0, peak).slice(0, kept);
}

/** The tokens around a peak: what comes before a token explains it, so most of them stand in front. */
function excerptAround(
  { example, activations, position }: Peak,
  most: number,
  tokenText: (id: number) => string,
): Excerpt {
  const { id, prompt } = example;
  const behind = Math.floor(most / 4);
  const end = Math.min(prompt.length, Math.max(position + 1 + behind, most));
  const start = Math.max(0, end - most);
  return {
    example: id,
    start,
    length: prompt.length,
    tokens: Array.from(prompt.subarray(start, end), tokenText),
    activations: Array.from(activations.subarray(start, end), fourDigits),
  };
}

function fourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
