/** What every engine does with calls it cannot carry out, or that ask for nothing. */
import { assertEquals, assertRejects } from "@std/assert";
import type { AttributeOptions, Engine, Intervention, RunOptions } from "../../src/engine/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import type { Example } from "../../src/tasks/example.ts";
import { makeTinyExamples } from "./tiny_examples.ts";
import type { TinyOptions } from "./tiny_checkpoint.ts";

/** The model the calls are made on. */
export const CALLED_MODEL: TinyOptions = { width: 16, neurons: 20, headWidth: 4 };

const examples = makeTinyExamples({ vocabularySize: 64 }, { choiceTokens: [1, 2] });
const rule = quadratureRule("midpoint", 2);
const interventions: Intervention[] = [[], [{ layer: 0, site: "gate", neurons: Uint32Array.of(1) }]];

/** Every call of an engine, with some work to do. */
export const CALLS: Readonly<Record<string, (engine: Engine, options: RunOptions) => Promise<unknown>>> = {
  choiceLogProbs: (engine, options) => engine.choiceLogProbs(examples, interventions, options),
  objective: (engine, options) => engine.objective(examples, interventions, options),
  attribute: (engine, options) => engine.attribute(examples, { rule, ...options }),
  activations: (engine, options) => engine.activations(examples, options),
  logits: (engine, options) => engine.logits(examples, interventions, options),
};

/**
 * Registers the tests.
 *
 * @param open Opens an engine over {@link CALLED_MODEL}.
 */
export async function testCalls(open: () => Promise<Engine>): Promise<void> {
  const engine = await open();

  for (const [name, call] of Object.entries(CALLS)) {
    Deno.test(`${name}() rejects with the signal's reason when it was aborted before the call`, async () => {
      const reason = new RangeError("enough");
      await assertRejects(() => call(engine, { signal: AbortSignal.abort(reason) }), RangeError, "enough");
    });

    Deno.test(`${name}() rejects when the engine was closed`, async () => {
      const closed = await open();
      await closed.close();
      await assertRejects(() => call(closed, {}), TypeError, "closed");
    });
  }

  Deno.test("every call names the example when it is one the model cannot run", async () => {
    const wrong: [string, Partial<Example>][] = [
      ["at least one token", { prompt: new Uint32Array() }],
      ["at least one token", { choices: [Uint32Array.of(1), new Uint32Array()] }],
      ["token 64 is not below", { prompt: Uint32Array.of(1, 64) }],
      ["token 99 is not below", { choices: [Uint32Array.of(99)] }],
      ["513 tokens exceed the model's limit of 512", { prompt: new Uint32Array(513), choices: [Uint32Array.of(1)] }],
      ["513 tokens exceed the model's limit of 512", { prompt: new Uint32Array(511), choices: [new Uint32Array(3)] }],
    ];
    for (const [message, change] of wrong) {
      const example = { ...examples[0], id: "odd/7", ...change };
      await assertRejects(() => engine.logits([example], [[]]), RangeError, message);
      await assertRejects(() => engine.attribute([example], { rule }), RangeError, "odd/7");
      await assertRejects(() => engine.activations([example]), RangeError, "odd/7");
    }
  });

  Deno.test("choiceLogProbs() rejects when an intervention is malformed", async () => {
    const neurons = Uint32Array.of(1, 2);
    const wrong: [string, Intervention][] = [
      ["layer 3", [{ layer: 3, site: "gate", neurons }]],
      ["layer -1", [{ layer: -1, site: "gate", neurons }]],
      ["layer 0.5", [{ layer: 0.5, site: "gate", neurons }]],
      ["neuron 20", [{ layer: 0, site: "gate", neurons: Uint32Array.of(1, 20) }]],
      ["neuron 16", [{ layer: 0, site: "down", neurons: Uint32Array.of(16) }]],
      ["neuron 1 at index 1", [{ layer: 0, site: "up", neurons: Uint32Array.of(2, 1) }]],
      ["neuron 2 at index 1", [{ layer: 0, site: "up", neurons: Uint32Array.of(2, 2) }]],
      ["two masks", [{ layer: 0, site: "up", neurons }, { layer: 0, site: "up", neurons }]],
    ];
    for (const [message, intervention] of wrong) {
      await assertRejects(() => engine.choiceLogProbs(examples, [[], intervention]), RangeError, message);
    }
  });

  Deno.test("attribute() rejects when pairs, rule or choices do not fit the call", async () => {
    const wrong: [string, AttributeOptions][] = [
      ["example 3", { rule, pairs: [{ example: 3, layer: 0 }] }],
      ["layer 3", { rule, pairs: [{ example: 0, layer: 3 }] }],
      ["twice", { rule, pairs: [{ example: 0, layer: 1 }, { example: 0, layer: 1 }] }],
      ["1 of 3 layers", { rule, path: "joint", pairs: [{ example: 0, layer: 1 }] }],
      ["2 pairs with the ends of 1", {
        rule,
        pairs: [{ example: 0, layer: 0 }, { example: 0, layer: 1 }],
        ends: [{ objectiveAtOne: 1, objectiveAtZero: 0, targetToken: 1, otherToken: null }],
      }],
      ["0 nodes", { rule: { nodes: new Float64Array(), weights: new Float64Array() } }],
      ["layer 3", { rule, base: [{ layer: 3, site: "gate", neurons: Uint32Array.of(1) }] }],
      ["neuron 2 at index 1", { rule, base: [{ layer: 0, site: "up", neurons: Uint32Array.of(2, 2) }] }],
      ["2 nodes and 1 weights", { rule: { nodes: Float64Array.of(0, 1), weights: Float64Array.of(1) } }],
    ];
    for (const [message, options] of wrong) {
      await assertRejects(() => engine.attribute(examples, options), RangeError, message);
    }
    const single = [{ ...examples[0], choices: [Uint32Array.of(1)], gold: 0 }];
    await assertRejects(() => engine.attribute(single, { rule, objective: "margin" }), RangeError, "margin");
    const [{ choices }] = examples;
    const alike = [{ ...examples[0], choices: choices.map(() => choices[0]), gold: 1 }];
    await assertRejects(() => engine.attribute(alike, { rule, objective: "margin" }), RangeError, "another token");
    const allRight = [{ ...examples[0], golds: [...choices.keys()], gold: 0 }];
    await assertRejects(() => engine.attribute(allRight, { rule, objective: "margin" }), RangeError, "no wrong choice");
    await assertRejects(
      () => engine.attribute([{ ...single[0], gold: 1 }], { rule, objective: "gold" }),
      RangeError,
      "gold",
    );
    await assertRejects(
      () => engine.activations(examples, { trace: [{ layer: 0, neurons: Uint32Array.of(20) }] }),
      RangeError,
    );
  });

  Deno.test("attribute() gives the same when the ends of its paths are known, whatever the nodes were", async () => {
    const other = { nodes: Float64Array.of(0.25, 0.75), weights: Float64Array.of(0.5, 0.5) };
    for (const path of ["layer", "joint"] as const) {
      const options = { objective: "margin", path } as const;
      const ends = await engine.attribute(examples, { ...options, rule: other });
      const expected = await engine.attribute(examples, { ...options, rule });
      assertEquals(await engine.attribute(examples, { ...options, rule, ends }), expected);
    }
  });

  Deno.test("every call returns as many results as it was asked for when that is none", async () => {
    assertEquals(await engine.choiceLogProbs(examples, []), []);
    assertEquals(await engine.choiceLogProbs([], [[], []]), [[], []]);
    assertEquals(await engine.logits([], [[]]), [[]]);
    assertEquals((await engine.objective([], [[], []])).map((values) => values.length), [0, 0]);
    assertEquals(await engine.attribute([], { rule }), []);
    assertEquals(await engine.attribute(examples, { rule, pairs: [] }), []);
    const { tokens, mean, maxAbsolute, traces } = await engine.activations([], {
      trace: [{ layer: 0, neurons: Uint32Array.of(1) }],
    });
    assertEquals([tokens, traces], [0, [[]]]);
    for (const rows of [mean, maxAbsolute]) {
      assertEquals(rows.map((row) => [...row]), engine.config.layerWeights.map(() => new Array(20).fill(0)));
    }
  });
}
