/**
 * An engine that remembers: what was computed once is read back, so that parts of a larger job share work without
 * knowing of each other, and a job that was killed goes on where it stopped.
 *
 * Answers are kept by what decides them: the tokens of the examples, the intervention, the layer, the options. A call
 * asks the engine underneath only for what is missing. A job that makes the same calls in the same order therefore
 * hands the same work to the engine whether or not it was interrupted, and gets the same bits.
 */
import { hashOf, type StoredArray, type TensorStore } from "../checkpoint/tensor_store.ts";
import type { Example } from "../tasks/example.ts";
import {
  type ActivationOptions,
  type ActivationStatistics,
  type AttributeOptions,
  type Engine,
  type FactorGradientOptions,
  type Intervention,
  type Objective,
  type Pair,
  type PairAttribution,
  type RunOptions,
} from "./engine.ts";

/** Options of `createCachedEngine`. */
export interface CachedEngineOptions {
  /** What the answers belong to besides the question, such as a digest of the weights. Stores may be shared. */
  readonly namespace: string;
  /** Most interventions computed before their answers are stored. Default: 32 to 256, fewer for more examples. */
  readonly interventionsPerUnit?: number;
}

/** What a cached engine saved and spent. */
export interface CacheCounts {
  /** Answers computed: an intervention on a list of examples, a (example, layer) pair, a list of activations. */
  computed: number;
  /** Answers that were there already. */
  found: number;
}

/** An engine with a memory. Closing it does not close the engine underneath. */
export interface CachedEngine extends Engine {
  /** Answers so far. */
  readonly counts: Readonly<CacheCounts>;
}

/** A value as text that is equal exactly for equal values: keys in order, typed arrays as lists, no functions. */
function canonical(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `[${Array.from(value as unknown as ArrayLike<number>).join(",")}]`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => a < b ? -1 : 1);
    return `{${fields.map(([name, item]) => `${name}:${canonical(item)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "undefined";
}

/** Everything of the options that changes an answer. */
function deciding({ signal: _signal, onProgress: _onProgress, ...rest }: RunOptions): string {
  return canonical(rest);
}

/** Equal for interventions that switch off the same neurons, whatever the order of their masks. */
function interventionText(intervention: Intervention): string {
  return intervention.filter(({ neurons }) => neurons.length > 0)
    .map(({ layer, site, neurons }) => `${layer} ${site} ${neurons.join(",")}`).sort().join(";");
}

/** Answers of single examples in a unit, about: large enough for the engine, small enough to lose. */
const answersPerUnit = 16_384;

/** Wraps an engine. */
export function createCachedEngine(
  engine: Engine,
  store: TensorStore,
  { namespace, interventionsPerUnit }: CachedEngineOptions,
): CachedEngine {
  const counts: CacheCounts = { computed: 0, found: 0 };
  const digests = new WeakMap<Example, string>();
  const exampleDigest = (example: Example) => {
    let digest = digests.get(example);
    if (digest === undefined) {
      const { id: _id, ...rest } = example;
      digests.set(example, digest = hashOf(canonical(rest)));
    }
    return digest;
  };
  const examplesDigest = (examples: readonly Example[]) => hashOf(examples.map(exampleDigest).join());
  const nameOf = (...parts: readonly string[]) => hashOf([namespace, ...parts].join("\n"));
  const read = async (name: string): Promise<StoredArray> => {
    const array = await store.get(name);
    if (array === undefined) throw new RangeError(`Cannot find ${name}: the store lost it`);
    return array;
  };

  /** Answers of every intervention, those that are missing computed and stored unit by unit. */
  async function byIntervention(
    method: string,
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions,
    compute: (missing: readonly Intervention[], run: RunOptions) => Promise<readonly Float64Array[]>,
  ): Promise<StoredArray[]> {
    const question = [method, examplesDigest(examples), deciding(options)];
    const names = interventions.map((intervention) => nameOf(...question, interventionText(intervention)));
    const missing = new Map<string, Intervention>();
    names.forEach((name, index) => store.has(name) || missing.set(name, interventions[index]));
    counts.computed += missing.size;
    counts.found += interventions.length - missing.size;
    const open = [...missing];
    const size = interventionsPerUnit ?? Math.min(256, Math.max(32, Math.floor(answersPerUnit / examples.length)));
    for (let first = 0; first < open.length; first += size) {
      options.signal?.throwIfAborted();
      const unit = open.slice(first, first + size);
      const answers = await compute(unit.map(([, intervention]) => intervention), {
        ...options,
        ...(options.onProgress && {
          onProgress: ({ stage, done, total }) =>
            options.onProgress!({
              stage,
              done: Math.round(first + unit.length * done / Math.max(1, total)),
              total: open.length,
              unit: "interventions",
            }),
        }),
      });
      await store.put(new Map(unit.map(([name], index) => [name, answers[index]])));
    }
    return await Promise.all(names.map(read));
  }

  async function choiceLogProbs(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float64Array[][]> {
    const flat = await byIntervention("choiceLogProbs", examples, interventions, options, async (missing, run) => {
      const answers = await engine.choiceLogProbs(examples, missing, run);
      return answers.map((rows) => Float64Array.from(rows.flatMap((row) => [...row])));
    });
    return flat.map((numbers) => {
      let start = 0;
      return examples.map(({ choices }) => Float64Array.from(numbers.subarray(start, start += choices.length)));
    });
  }

  async function objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions & { readonly objective?: Objective } = {},
  ): Promise<Float64Array[]> {
    const answers = await byIntervention("objective", examples, interventions, options, (missing, run) => {
      return engine.objective(examples, missing, run);
    });
    return answers.map((numbers) => Float64Array.from(numbers));
  }

  async function attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]> {
    // The ends of a path are the same whether they are known or computed.
    const { pairs: asked, ends, ...rest } = options;
    const pairs = asked ??
      examples.flatMap((_, example) => engine.config.layerWeights.map((_, layer) => ({ example, layer })));
    const decided = deciding(rest);
    const names = pairs.map(({ example, layer }) =>
      nameOf("attribute", exampleDigest(examples[example]), decided, String(layer))
    );
    const lacks = (index: number) => !store.has(`${names[index]}.scores`);
    // On the joint path an example's layers go together.
    const incomplete = new Set(pairs.filter((_, index) => lacks(index)).map(({ example }) => example));
    const isOpen = (index: number) => rest.path === "joint" ? incomplete.has(pairs[index].example) : lacks(index);
    const open = [...pairs.keys()].filter(isOpen);
    counts.computed += open.length;
    counts.found += pairs.length - open.length;
    if (open.length > 0) {
      // Examples without an open pair are not handed over: the engine would run them for nothing.
      const used = [...new Set(open.map((index) => pairs[index].example))];
      const position = new Map(used.map((example, index) => [example, index]));
      const missing: Pair[] = open.map((index) => ({
        example: position.get(pairs[index].example)!,
        layer: pairs[index].layer,
      }));
      const found = await engine.attribute(used.map((example) => examples[example]), {
        ...rest,
        pairs: missing,
        ...(ends && { ends: open.map((index) => ends[index]) }),
      });
      const entries = new Map<string, StoredArray>();
      found.forEach(({ scores, objectiveAtOne, objectiveAtZero, targetToken, otherToken }, index) => {
        const name = names[open[index]];
        if (store.has(`${name}.scores`)) return;
        entries.set(`${name}.scores`, scores);
        entries.set(`${name}.ends`, Float64Array.of(objectiveAtOne, objectiveAtZero, targetToken, otherToken ?? NaN));
      });
      if (entries.size > 0) await store.put(entries);
    }
    return await Promise.all(pairs.map(async (pair, index): Promise<PairAttribution> => {
      const [objectiveAtOne, objectiveAtZero, targetToken, other] = await read(`${names[index]}.ends`);
      const scores = (await read(`${names[index]}.scores`)).slice();
      const otherToken = Number.isNaN(other) ? null : other;
      return { ...pair, scores, objectiveAtOne, objectiveAtZero, targetToken, otherToken };
    }));
  }

  async function activations(
    examples: readonly Example[],
    options: ActivationOptions = {},
  ): Promise<ActivationStatistics> {
    const name = nameOf("activations", examplesDigest(examples), deciding(options));
    const kinds = ["mean", "meanAbsolute", "maxAbsolute"] as const;
    const traceCount = options.trace?.length ?? 0;
    if (store.has(`${name}.tokens`)) counts.found++;
    else {
      counts.computed++;
      const found = await engine.activations(examples, options);
      const entries = new Map<string, StoredArray>([[`${name}.tokens`, Float64Array.of(found.tokens)]]);
      for (const kind of kinds) found[kind].forEach((row, layer) => entries.set(`${name}.${kind}.${layer}`, row));
      found.traces.forEach((rows, entry) =>
        rows.forEach((row, example) => entries.set(`${name}.${entry}/${example}`, row))
      );
      await store.put(entries);
    }
    const rows = (kind: string, count: number) =>
      Promise.all(Array.from({ length: count }, async (_, i) => Float32Array.from(await read(`${name}.${kind}${i}`))));
    const [mean, meanAbsolute, maxAbsolute] = await Promise.all(
      kinds.map((kind) => rows(`${kind}.`, engine.config.layers)),
    );
    const traces = await Promise.all(
      Array.from({ length: traceCount }, (_, entry) => rows(`${entry}/`, examples.length)),
    );
    return { tokens: (await read(`${name}.tokens`))[0], mean, meanAbsolute, maxAbsolute, traces };
  }

  async function factorGradients(
    examples: readonly Example[],
    options: FactorGradientOptions,
  ): Promise<Float64Array[][]> {
    const name = nameOf("factorGradients", examplesDigest(examples), deciding(options));
    const place = (point: number, example: number) => `${name}.${point}/${example}`;
    const { length } = options.points;
    if (length > 0 && examples.length > 0 && store.has(place(0, 0))) counts.found++;
    else {
      counts.computed++;
      const found = await engine.factorGradients!(examples, options);
      await store.put(
        new Map(found.flatMap((rows, point) => rows.map((row, example) => [place(point, example), row] as const))),
      );
    }
    return await Promise.all(
      Array.from(
        { length },
        (_, point) =>
          Promise.all(examples.map(async (_, example) => Float64Array.from(await read(place(point, example))))),
      ),
    );
  }

  return {
    config: engine.config,
    info: engine.info,
    counts,
    choiceLogProbs,
    objective,
    attribute,
    activations,
    // All logits of a vocabulary are too many to keep.
    logits: (examples, interventions, options) => engine.logits(examples, interventions, options),
    ...(engine.factorGradients && { factorGradients }),
    ...(engine.forecast && { forecast: engine.forecast.bind(engine) }),
    close: () => Promise.resolve(),
  };
}
