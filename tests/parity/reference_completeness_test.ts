/** Completeness of the reference engine for every site, objective, path and set of positions, on random checkpoints. */
import { assert, assertEquals, assertLess } from "@std/assert";
import type { AttributeOptions, Engine, PairAttribution, Site } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import type { Example } from "../../src/tasks/example.ts";
import { completenessError } from "../support/completeness.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const engine = await createReferenceEngine(await makeTinyCheckpoint({ width: 16, neurons: 20, headWidth: 4, seed: 5 }));
const { config } = engine;
const examples = makeTinyExamples(config, { count: 2, promptTokens: [2, 6], seed: 3 });
const rule = quadratureRule("gauss-legendre", 128);

/** The results grouped by path: one group per pair, or per example for the joint path. */
function byPath(results: readonly PairAttribution[], path: "layer" | "joint"): PairAttribution[][] {
  if (path === "layer") return results.map((result) => [result]);
  return examples.map((_, example) => results.filter((result) => result.example === example));
}

/** M with all neurons of a site off, in one layer or in all: what M(0) must be when all positions are scaled. */
async function switchedOff(engine: Engine, example: Example, site: Site, layers: readonly number[], options: object) {
  const neurons = Uint32Array.from({ length: site === "down" ? config.width : config.neurons }, (_, neuron) => neuron);
  const [[value]] = await engine.objective([example], [layers.map((layer) => ({ layer, site, neurons }))], options);
  return value;
}

async function assertComplete(options: Omit<AttributeOptions, "rule">): Promise<void> {
  const { path = "layer", site = "gate", objective = "max-logit", positions = "all" } = options;
  const results = await engine.attribute(examples, { ...options, rule });
  assertEquals(
    results.map(({ example, layer }) => [example, layer]),
    examples.flatMap((_, example) => [0, 1, 2].map((layer) => [example, layer])),
  );
  for (const group of byPath(results, path)) {
    const [{ example, objectiveAtZero, objectiveAtOne }] = group;
    const layers = group.map(({ layer }) => layer);
    assertLess(completenessError(group), 1e-9, `example ${example}, layers ${layers}`);
    const [[unmodified]] = await engine.objective([examples[example]], [[]], { objective });
    assertEquals(objectiveAtOne, unmodified);
    if (positions === "all") {
      assertEquals(objectiveAtZero, await switchedOff(engine, examples[example], site, layers, { objective }));
    }
  }
}

for (const site of ["gate", "up", "down"] as const) {
  for (const path of ["layer", "joint"] as const) {
    for (const positions of ["all", "last"] as const) {
      Deno.test(`attribute() is complete when site is ${site}, path ${path}, positions ${positions}`, async () => {
        await assertComplete({ site, path, positions });
      });
    }
  }
}

for (const objective of ["choice", "gold", "margin", "max-prob"] as const) {
  for (const path of ["layer", "joint"] as const) {
    Deno.test(`attribute() is complete when the objective is ${objective}, path ${path}`, async () => {
      await assertComplete({ objective, path });
    });
  }
}

Deno.test("attribute() approaches completeness when the objective moves to another token along the path", async () => {
  const fine = quadratureRule("midpoint", 512);
  const fixed = await engine.attribute(examples, { rule: fine, path: "joint" });
  const moving = await engine.attribute(examples, { rule: fine, path: "joint", objective: "max-logit-moving" });
  const moved = moving.filter(({ objectiveAtZero }, i) => objectiveAtZero > fixed[i].objectiveAtZero);
  assert(moved.length > 0, "no example changes its arg-max: choose another seed");
  // The integrand jumps where the arg-max changes, so a rule of A nodes is off by about 1/A of the jump.
  for (const group of byPath(moving, "joint")) assertLess(completenessError(group), 0.01);
  assertEquals(moving.map(({ targetToken }) => targetToken), fixed.map(({ targetToken }) => targetToken));
});

Deno.test("attribute() returns the pairs asked for, in their order, equal to those of a full call", async () => {
  const coarse = quadratureRule("midpoint", 3);
  const all = await engine.attribute(examples, { rule: coarse });
  const pairs = [{ example: 1, layer: 2 }, { example: 0, layer: 1 }, { example: 1, layer: 0 }];
  const some = await engine.attribute(examples, { rule: coarse, pairs });
  assertEquals(some, pairs.map(({ example, layer }) => all[example * 3 + layer]));
});

Deno.test("attribute() on the joint path returns the pairs in their order when they are shuffled", async () => {
  const coarse = quadratureRule("midpoint", 3);
  const all = await engine.attribute(examples, { rule: coarse, path: "joint" });
  const order = [4, 0, 2, 5, 1, 3];
  const pairs = order.map((i) => ({ example: all[i].example, layer: all[i].layer }));
  assertEquals(await engine.attribute(examples, { rule: coarse, path: "joint", pairs }), order.map((i) => all[i]));
});
