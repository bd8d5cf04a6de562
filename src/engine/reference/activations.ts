/** Statistics and traces of the feed-forward hidden values h = silu(g) * u over prompts. */
import type { Example } from "../../tasks/example.ts";
import type { ActivationOptions, ActivationStatistics } from "../engine.ts";
import { forward } from "./forward.ts";
import type { Pacer } from "./pacer.ts";
import type { Model } from "./weights.ts";

/** Runs the unmodified model over every prompt, one pass each. */
export async function measureActivations(
  model: Model,
  examples: readonly Example[],
  trace: NonNullable<ActivationOptions["trace"]>,
  pacer: Pacer,
): Promise<ActivationStatistics> {
  const { layers, neurons } = model.config;
  const zeros = () => Array.from({ length: layers }, () => new Float64Array(neurons));
  const sum = zeros(), sumAbsolute = zeros(), maxAbsolute = zeros();
  const traces: Float32Array[][] = trace.map(() => []);
  let tokens = 0;
  for (const { prompt } of examples) {
    await pacer.pause();
    const { tapes } = forward(model, prompt, { keepFrom: 0 });
    const hidden = tapes.map((tape) => tape!.feedForward.hidden);
    hidden.forEach((h, layer) => {
      for (let start = 0; start < h.length; start += neurons) {
        for (let j = 0; j < neurons; j++) {
          const value = h[start + j], size = Math.abs(value);
          sum[layer][j] += value;
          sumAbsolute[layer][j] += size;
          maxAbsolute[layer][j] = Math.max(maxAbsolute[layer][j], size);
        }
      }
    });
    trace.forEach(({ layer, neurons: traced }, entry) => {
      const values = new Float32Array(prompt.length * traced.length);
      for (let t = 0; t < prompt.length; t++) {
        traced.forEach((neuron, i) => values[t * traced.length + i] = hidden[layer][t * neurons + neuron]);
      }
      traces[entry].push(values);
    });
    tokens += prompt.length;
    pacer.advance();
  }
  const mean = (sums: Float64Array) => Float32Array.from(sums, (value) => tokens === 0 ? 0 : value / tokens);
  return {
    tokens,
    mean: sum.map(mean),
    meanAbsolute: sumAbsolute.map(mean),
    maxAbsolute: maxAbsolute.map((values) => Float32Array.from(values)),
    traces,
  };
}
