/** A made-up model and task for tests of the study: small, fast, and with a shortcut that pruning mends. */
import type { StudyInput } from "../../src/method/study/study.ts";
import { ToyEngine, toyExample } from "./toy_engine.ts";

const neurons = 20;

/**
 * Neurons 0 to 3 of layer 1 carry a shortcut: they have the highest scores, and odd examples are wrong unless at least
 * two of them are off. Every fifth neuron of layer 0 that is off costs one test example. Each example shifts the scores
 * a little.
 */
export function studyToyEngine(): ToyEngine {
  return new ToyEngine({
    layers: 2,
    neurons,
    width: 8,
    gate: (example, layer, neuron) => 1 + ((example * 7 + layer * 3 + neuron * 5) % 11) / 40,
    effect: (layer, neuron) => layer === 1 && neuron < 4 ? 5 - neuron : 1 / (2 + neuron),
    logProbs(example, pruned) {
      const count = (layer: number, below: number) =>
        Array.from({ length: below }, (_, neuron) => neuron).filter((neuron) => pruned(layer, neuron)).length;
      if (example % 2 === 1 && count(1, 4) < 2) return [-2, -1 - 0.01 * (example % 7)];
      return example >= 100 && example - 100 < count(0, neurons) / 5
        ? [-2, -1]
        : [-1, -2 - 0.1 * count(1, 4) - 0.02 * (example % 5)];
    },
  });
}

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => toyExample(first + i));

/** A reduced study of the made-up model. */
export function studyToyInput(engine = studyToyEngine()): StudyInput {
  return {
    engine,
    checkpoint: {
      config: engine.config,
      readF32: ({ rows, columns }) =>
        Promise.resolve(Float32Array.from({ length: rows * columns }, (_, i) => (i * 13) % 7)),
    },
    tasks: [{
      task: "toy",
      pool: range(0, 40),
      test: range(100, 30),
      train: range(200, 10),
      marks: { column: "parity", values: range(100, 30).map((_, index) => index % 2 ? "odd" : "even") },
      retained: { name: "even toys", pool: Array.from({ length: 12 }, (_, index) => toyExample(300 + 2 * index)) },
      elsewhere: { tasks: [{ name: "other toys", examples: range(400, 20) }] },
    }],
    model: "toy model",
    versions: { secateur: "test" },
    options: { redraws: 3, size: 4, sizes: [2, 4, 80], attributionRedraws: 1, search: { fractions: [0.1, 0.2, 0.3] } },
  };
}
