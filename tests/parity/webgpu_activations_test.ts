/** Activation statistics and traces of the WebGPU engine against the reference engine. */
import { assertEquals } from "@std/assert";
import { openEnginePair, TINY_MODELS } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

/** Relative to the largest value of the layer, or of the traced neurons of an example. Measured: 6.0e-7 and 7.5e-6. */
const tolerance = { statistics: 6e-6, traces: 8e-5 };

for (const [name, options] of Object.entries(TINY_MODELS)) {
  const { config, reference, webgpu } = await openEnginePair(options);
  const last = config.layers - 1;

  Deno.test(`activations() equals the reference on ${name}, statistics and traces`, async () => {
    const examples = makeTinyExamples(config, { count: 5, promptTokens: [1, 18], seed: 7 });
    const trace = [
      { layer: last, neurons: Uint32Array.of(0, 5, config.neurons - 1) },
      { layer: 0, neurons: Uint32Array.from({ length: config.neurons }, (_, neuron) => neuron) },
      { layer: 0, neurons: new Uint32Array() },
      { layer: last, neurons: Uint32Array.of(2) },
    ];
    const expected = await reference.activations(examples, { trace });
    const actual = await webgpu.activations(examples, { trace });
    assertEquals(actual.tokens, expected.tokens);
    for (const key of ["mean", "meanAbsolute", "maxAbsolute"] as const) {
      assertEquals(actual[key].length, config.layers);
      expected[key].forEach((values, layer) =>
        assertClose(actual[key][layer], values, tolerance.statistics, `${key} ${layer}`)
      );
    }
    assertEquals(actual.traces.map((rows) => rows.length), trace.map(() => examples.length));
    trace.forEach(({ neurons }, i) =>
      examples.forEach(({ prompt }, e) => {
        assertEquals(actual.traces[i][e].length, prompt.length * neurons.length);
        if (neurons.length === 0) return;
        assertClose(actual.traces[i][e], expected.traces[i][e], tolerance.traces, `trace ${i} of example ${e}`);
      })
    );
  });
}
