/** Completeness of the WebGPU engine for every site, path and set of positions: no other engine on the other side. */
import { assertEquals, assertLess } from "@std/assert";
import type { PairAttribution } from "../../src/engine/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { completenessError } from "../support/completeness.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

// Pairs that are computed alone and among others are compared to the bit.
const engine = await openTestEngine(await makeTinyCheckpoint({ width: 16, neurons: 20, headWidth: 4, seed: 5 }), {
  batchInvariant: true,
});
const { config } = engine;
const examples = makeTinyExamples(config, { count: 2, promptTokens: [2, 6], seed: 3 });
const rule = quadratureRule("gauss-legendre", 64);

/** Measured: 1.4e-6. */
const tolerance = 2e-5;

/** The results by path: one group a pair, or one an example for the joint path. */
function byPath(results: readonly PairAttribution[], path: "layer" | "joint"): PairAttribution[][] {
  if (path === "layer") return results.map((result) => [result]);
  return examples.map((_, example) => results.filter((result) => result.example === example));
}

for (const site of ["gate", "up", "down"] as const) {
  for (const path of ["layer", "joint"] as const) {
    for (const positions of ["all", "last"] as const) {
      Deno.test(`attribute() is complete when site is ${site}, path ${path}, positions ${positions}`, async () => {
        const groups = byPath(await engine.attribute(examples, { rule, site, path, positions }), path);
        for (const group of groups) {
          const [{ example, layer, objectiveAtZero }] = group;
          assertLess(completenessError(group), tolerance, `example ${example}, layer ${layer}`);
          if (positions === "last") continue;
          // With all positions scaled, M(0) is the objective with all neurons of the site off.
          const count = site === "down" ? config.width : config.neurons;
          const neurons = Uint32Array.from({ length: count }, (_, neuron) => neuron);
          const off = group.map(({ layer }) => ({ layer, site, neurons }));
          const [[masked]] = await engine.objective([examples[example]], [off]);
          assertClose([masked], [objectiveAtZero], WEBGPU_TOLERANCE.objectives, `M(0) of layer ${layer}`);
        }
        assertEquals(groups.length, path === "layer" ? examples.length * config.layers : examples.length);
      });
    }
  }
}

Deno.test("attribute() returns the pairs asked for, in their order, equal to those of a full call", async () => {
  const coarse = quadratureRule("midpoint", 3);
  const all = await engine.attribute(examples, { rule: coarse });
  const pairs = [{ example: 1, layer: 2 }, { example: 0, layer: 1 }, { example: 1, layer: 0 }];
  const some = await engine.attribute(examples, { rule: coarse, pairs });
  assertEquals(some, pairs.map(({ example, layer }) => all[example * config.layers + layer]));
});

Deno.test("attribute() on the joint path returns the pairs in their order when they are shuffled", async () => {
  const coarse = quadratureRule("midpoint", 3);
  const all = await engine.attribute(examples, { rule: coarse, path: "joint" });
  const order = [4, 0, 2, 5, 1, 3];
  const pairs = order.map((i) => ({ example: all[i].example, layer: all[i].layer }));
  assertEquals(await engine.attribute(examples, { rule: coarse, path: "joint", pairs }), order.map((i) => all[i]));
});
