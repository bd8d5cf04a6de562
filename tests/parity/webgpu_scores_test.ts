/** Attributions of the WebGPU engine against the reference engine: every site, path, set of positions and objective. */
import { assertEquals } from "@std/assert";
import type { AttributeOptions, Engine } from "../../src/engine/engine.ts";
import { objectives } from "../../src/method/score.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import type { Example } from "../../src/tasks/example.ts";
import { type EnginePair, openEnginePair, TINY_MODELS } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

const rule = quadratureRule("gauss-legendre", 3);

/** Attributes with both engines and compares scores, M(1), M(0) and targets. */
async function assertSameAttribution(
  { reference, webgpu }: EnginePair,
  examples: readonly Example[],
  options: Omit<AttributeOptions, "rule">,
): Promise<void> {
  const attribute = (engine: Engine) => engine.attribute(examples, { rule, ...options });
  const [expected, actual] = [await attribute(reference), await attribute(webgpu)];
  const places = (pairs: typeof expected) =>
    pairs.map(({ example, layer, targetToken }) => ({ example, layer, targetToken }));
  assertEquals(places(actual), places(expected));
  expected.forEach(({ example, layer, scores, objectiveAtOne, objectiveAtZero }, i) => {
    const place = `${options.objective}, example ${example}, layer ${layer}`;
    assertClose(actual[i].scores, scores, WEBGPU_TOLERANCE.scores, `the scores of ${place}`);
    const ends = [actual[i].objectiveAtOne, actual[i].objectiveAtZero];
    assertClose(ends, [objectiveAtOne, objectiveAtZero], WEBGPU_TOLERANCE.objectives, `M(1) and M(0) of ${place}`);
  });
}

const paths = (["gate", "up", "down"] as const).flatMap((site) =>
  (["all", "last"] as const).flatMap((positions) =>
    (["layer", "joint"] as const).map((path) => ({ site, positions, path }))
  )
);

for (const [index, [name, options]] of Object.entries(TINY_MODELS).entries()) {
  const pair = await openEnginePair(options);
  const examples = makeTinyExamples(pair.config, { count: 2, promptTokens: [1, 18], seed: 3 });
  for (const { site, positions, path } of paths) {
    const place = `${site}, positions ${positions}, path ${path}`;
    Deno.test(`attribute() equals the reference on ${name} when it scores ${place}`, async () => {
      // One model goes through all objectives; they differ from each other above the layers only.
      for (const objective of index === 0 ? objectives : ["max-logit" as const]) {
        await assertSameAttribution(pair, examples, { site, positions, path, objective });
      }
    });
  }
}
