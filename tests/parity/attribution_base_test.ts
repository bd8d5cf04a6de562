/** Attribution under a base intervention: on the reference it is that of the pruned checkpoint; both engines agree. */
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import type { Intervention, Mask, Site } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { openEnginePair, TINY_MODELS } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyCheckpoint, type TensorEdit } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

const rule = quadratureRule("gauss-legendre", 3);
const sites = ["gate", "up", "down"] as const;

/** Every `step`-th neuron. */
function every(step: number, count: number): Uint32Array {
  return Uint32Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

/** Masks of gate and up in every layer, of other neurons in each. */
function masksOfEveryLayer(layers: number, neurons: number): Intervention {
  return Array.from({ length: layers }, (_, layer) => layer).flatMap((layer): Mask[] => [
    { layer, site: "gate", neurons: every(3 + layer, neurons) },
    { layer, site: "up", neurons: every(5, neurons) },
  ]);
}

Deno.test("attribute() under a base equals attribute() on the checkpoint whose rows are zero", async () => {
  const shape = { layers: 3, width: 16, neurons: 20, queryHeads: 4, keyValueHeads: 2, headWidth: 4 };
  const base: Intervention = [...masksOfEveryLayer(3, 20), { layer: 1, site: "down", neurons: every(4, 16) }];
  const edits = Object.fromEntries(base.map(({ layer, site, neurons }): [string, TensorEdit] => [
    `model.layers.${layer}.mlp.${site}_proj.weight`,
    (values) => {
      const columns = site === "down" ? 20 : 16;
      for (const neuron of neurons) values.fill(0, neuron * columns, (neuron + 1) * columns);
    },
  ]));
  const engine = await createReferenceEngine(await makeTinyCheckpoint(shape));
  const pruned = await createReferenceEngine(await makeTinyCheckpoint({ ...shape, edits }));
  const examples = makeTinyExamples(engine.config, { count: 2, promptTokens: [4, 9] });
  for (const site of sites) {
    for (const path of ["layer", "joint"] as const) {
      for (const objective of ["max-logit", "margin"] as const) {
        const options = { rule, site, path, objective };
        const masked = await engine.attribute(examples, { ...options, base });
        assertEquals(masked, await pruned.attribute(examples, options), `${site} ${path} ${objective}`);
        assertNotEquals(masked, await engine.attribute(examples, options));
      }
    }
  }
  await assertRejects(
    () => engine.attribute(examples, { rule, base: [{ layer: 3, site: "gate", neurons: Uint32Array.of(0) }] }),
    RangeError,
    "layer 3",
  );
});

for (const name of ["llama in f32", "mistral in f32 with a window of 5", "qwen3 in bf16", "granite in bf16"]) {
  const pair = await openEnginePair(TINY_MODELS[name]);
  const { layers, neurons, width } = pair.config;
  const examples = makeTinyExamples(pair.config, { count: 2, promptTokens: [1, 18], seed: 3 });
  const bases: Readonly<Record<string, Intervention>> = {
    "a mask in every layer": masksOfEveryLayer(layers, neurons),
    "a mask in the lowest layer": masksOfEveryLayer(1, neurons),
    "masks of every site": [
      ...masksOfEveryLayer(layers, neurons),
      ...Array.from(
        { length: layers },
        (_, layer): Mask => ({ layer, site: "down", neurons: every(3 + layer, width) }),
      ),
    ],
    "output masks alone": [{ layer: layers - 1, site: "down", neurons: every(2, width) }],
  };
  for (const [kind, base] of Object.entries(bases)) {
    Deno.test(`attribute() under ${kind} equals the reference on ${name}`, async () => {
      const combinations: readonly (readonly [Site, "all" | "last", "layer" | "joint"])[] = [
        ["gate", "all", "layer"],
        ["gate", "last", "joint"],
        ["up", "all", "joint"],
        ["down", "all", "layer"],
      ];
      for (const [site, positions, path] of combinations) {
        const options = { rule, site, positions, path, base, objective: "margin" } as const;
        const expected = await pair.reference.attribute(examples, options);
        const actual = await pair.webgpu.attribute(examples, options);
        expected.forEach(({ example, layer, scores, objectiveAtOne, objectiveAtZero, targetToken }, i) => {
          const place = `${site} ${positions} ${path}, example ${example}, layer ${layer}`;
          assertEquals(actual[i].targetToken, targetToken, place);
          assertClose(actual[i].scores, scores, WEBGPU_TOLERANCE.scores, place);
          const ends = [actual[i].objectiveAtOne, actual[i].objectiveAtZero];
          assertClose(ends, [objectiveAtOne, objectiveAtZero], WEBGPU_TOLERANCE.objectives, place);
        });
      }
    });
  }
}

Deno.test("forecast() is the same work under a base that masks other layers than the lowest", async () => {
  const { webgpu, config } = await openEnginePair(TINY_MODELS["llama in f32"]);
  const examples = makeTinyExamples(config, { count: 2, promptTokens: [4, 9] });
  const base: Intervention = [{ layer: 1, site: "gate", neurons: Uint32Array.of(2) }];
  const flops = (options: object) =>
    webgpu.forecast!(examples, { attribute: { rule, ...options } }).reduce((sum, wave) => sum + wave.flops, 0);
  assertEquals(flops({ base }), flops({}));
  const missing: Intervention = [{ layer: 9, site: "gate", neurons: Uint32Array.of(2) }];
  assertThrows(() => webgpu.forecast!(examples, { attribute: { rule, base: missing } }), RangeError, "layer 9");
});
