/** The factor on cos and sin in the reference engine, which no golden set has. */
import { assertLess, assertNotEquals } from "@std/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { relativeError } from "../support/relative_error.ts";
import { makeTinyCheckpoint, type TensorEdit, type TinyOptions } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const options: TinyOptions = { width: 16, neurons: 12, headWidth: 4, layers: 2 };

/** The same weights under a configuration with that attention factor. */
function withAttentionFactor(checkpoint: Checkpoint, attentionFactor: number): Checkpoint {
  const { config } = checkpoint;
  return {
    location: checkpoint.location,
    config: { ...config, rope: { ...config.rope, attentionFactor } },
    tensors: checkpoint.tensors,
    typeOf: (ref) => checkpoint.typeOf(ref),
    readRows: (ref, rowStart, rowCount, target) => checkpoint.readRows(ref, rowStart, rowCount, target),
    readF32: (ref) => checkpoint.readF32(ref),
    close: () => checkpoint.close(),
  };
}

const plain = await makeTinyCheckpoint(options);
const stretched = await createReferenceEngine(withAttentionFactor(plain, Math.SQRT2));
const examples = makeTinyExamples(plain.config, { promptTokens: [4, 9] });

Deno.test("an attention factor of the square root of 2 equals doubled queries", async () => {
  const double: TensorEdit = (values) => values.forEach((value, i) => values[i] = 2 * value);
  const edits = Object.fromEntries([0, 1].map((layer) => [`model.layers.${layer}.self_attn.q_proj.weight`, double]));
  const doubled = await createReferenceEngine(await makeTinyCheckpoint({ ...options, edits }));
  const [actual] = await stretched.logits(examples, [[]]);
  const [expected] = await doubled.logits(examples, [[]]);
  actual.forEach((logits, i) => assertLess(relativeError(logits, expected[i]), 1e-13));
  assertNotEquals(actual, (await (await createReferenceEngine(plain)).logits(examples, [[]]))[0]);

  const rule = quadratureRule("midpoint", 3);
  const ofStretched = await stretched.attribute(examples, { rule });
  const ofDoubled = await doubled.attribute(examples, { rule });
  ofStretched.forEach(({ scores }, i) => assertLess(relativeError(scores, ofDoubled[i].scores), 1e-12));
});

Deno.test("logits() equal those of Phi3ForCausalLM when three quarters of a head are rotated", async () => {
  const partial = { family: "phi3", layers: 2, width: 32, neurons: 21, dtype: "BF16" } as const;
  const checkpoint = await makeTinyCheckpoint({ ...partial, config: { partial_rotary_factor: 0.75 } });
  const [example] = makeTinyExamples(checkpoint.config, { count: 1 });
  const prompt = Uint32Array.of(3, 9, 27, 50, 11, 60, 2);
  const engine = await createReferenceEngine(checkpoint);
  const [[logits]] = await engine.logits([{ ...example, prompt }], [[]]);
  // Of tokens 0 to 7, by transformers 5.17.0 in float32 on the same weights.
  const expected = [0.3483161, -0.5445143, 0.9084613, 0.3738727, -0.07259318, -0.5622325, -0.2445263, 0.2142775];
  assertLess(relativeError(logits.slice(0, 8), expected), 2e-5);
});
