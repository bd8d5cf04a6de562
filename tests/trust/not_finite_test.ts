/** Models whose numbers overflow: every call stops, and says for which example and in which layer it began. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { Example } from "../../src/tasks/example.ts";
import { makeTinyCheckpoint, type TensorEdit } from "../support/tiny_checkpoint.ts";
import { openTestEngine } from "../support/webgpu_engine.ts";

const shape = { layers: 3, width: 16, neurons: 24, headWidth: 4 };

const examples: Example[] = [[3, 7, 11], [5, 2]].map((prompt, index) => ({
  id: `case/${index}`,
  prompt: Uint32Array.from(prompt),
  choices: [Uint32Array.of(1), Uint32Array.of(2, 4)],
  choiceCharacters: [1, 2],
  gold: 0,
}));

const rule = { nodes: Float64Array.of(0.5), weights: Float64Array.of(1) };
const mask = [{ layer: 2, site: "gate", neurons: Uint32Array.of(1) }] as const;

/** Every call, and how it names what it was computing. */
const calls: Readonly<Record<string, readonly [(engine: Engine) => Promise<unknown>, string]>> = {
  choiceLogProbs: [(engine) => engine.choiceLogProbs(examples, [[]]), "the unmodified model"],
  "choiceLogProbs under a mask": [(engine) => engine.choiceLogProbs(examples, [mask]), "masks in layer 2"],
  objective: [(engine) => engine.objective(examples, [[]]), "the unmodified model"],
  logits: [(engine) => engine.logits(examples, [[]]), "the unmodified model"],
  attribute: [(engine) => engine.attribute(examples, { rule }), "the unmodified model"],
};

async function engineWith(edits: Readonly<Record<string, TensorEdit>>): Promise<Engine> {
  return await openTestEngine(await makeTinyCheckpoint({ ...shape, edits }));
}

for (const [name, [call, place]] of Object.entries(calls)) {
  Deno.test(`${name} names example and layer when activations overflow`, async () => {
    // silu(g) u of every neuron is beyond f32.
    const engine = await engineWith({
      "model.layers.1.mlp.gate_proj.weight": (values) => values.fill(1e38),
      "model.layers.1.mlp.up_proj.weight": (values) => values.fill(1e38),
    });
    await assertRejects(
      () => call(engine),
      RangeError,
      `Cannot use the logits of example case/0 (${place}): they are not finite; in the unmodified model the activations ` +
        "of layer 1 are the first that are not",
    );
  });

  Deno.test(`${name} notices a single logit of -Infinity, which no maximum and no sum shows`, async () => {
    // Large weights of the sign that the final norm's output has would overflow upwards: one of both signs goes down.
    const engine = await engineWith({
      "model.norm.weight": (values) => values.fill(0).fill(1e20, 0, 1),
      "lm_head.weight": (values) => {
        values.fill(0);
        values.fill(3e38, 16 * 40, 16 * 40 + 1);
        values.fill(-3e38, 16 * 41, 16 * 41 + 1);
      },
    });
    await assertRejects(() => call(engine), RangeError, "Cannot use the logits of example case/");
  });
}

Deno.test("the engine works again after a call that stopped, on examples that do not overflow", async () => {
  // Only token 63 has something in the column that overflows.
  const column = (values: Float32Array, value: number) => {
    for (let at = 0; at < values.length; at += 16) values[at] = value;
  };
  const engine = await engineWith({
    "model.embed_tokens.weight": (values) => {
      column(values, 0);
      values[16 * 63] = 1;
    },
    "model.layers.0.self_attn.o_proj.weight": (values) => values.fill(0, 0, 16),
    "model.layers.0.mlp.gate_proj.weight": (values) => column(values, 1e38),
    "model.layers.0.mlp.up_proj.weight": (values) => column(values, 1e38),
  });
  const wild = { ...examples[0], id: "wild", prompt: Uint32Array.of(63) };
  const expected = await engine.logits(examples, [[]]);
  await assertRejects(
    () => engine.logits([...examples, wild], [[]]),
    RangeError,
    "of example wild (the unmodified model)",
  );
  assertEquals(await engine.logits(examples, [[]]), expected);
});

Deno.test("the reference engine names the example when a number is not finite in float64", async () => {
  const checkpoint = await makeTinyCheckpoint(shape);
  // What no f32 weight can do: the reader is made to give NaN.
  const broken = {
    ...checkpoint,
    tensors: checkpoint.tensors,
    readF32: async (ref: { name: string }) => {
      const values = await checkpoint.readF32(ref as Parameters<typeof checkpoint.readF32>[0]);
      return ref.name === "model.norm.weight" ? values.fill(NaN) : values;
    },
  } as typeof checkpoint;
  const engine = await createReferenceEngine(broken);
  for (const [call, place] of Object.values(calls)) {
    const expected = place === "the unmodified model" && call === calls.attribute[0] ? "the path of layer 0" : place;
    await assertRejects(() => call(engine), RangeError, `of example case/0 (${expected}): they are not finite`);
  }
});
