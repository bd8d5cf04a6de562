/** Answers of a batch-invariant engine: the same bits whatever else is asked in the same call. */
import { assert, assertEquals } from "@std/assert";
import type { Engine } from "../../src/engine/engine.ts";
import type { Example } from "../../src/tasks/example.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { openTestEngine, testVariants } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint();
const { config } = checkpoint;
const examples = makeTinyExamples(config, { count: 6, promptTokens: [3, 30], choices: 3, seed: 5 });
const rule = quadratureRule("gauss-legendre", 4);

for (const kernelVariant of await testVariants()) {
  const engine = await openTestEngine(checkpoint, { kernelVariant, batchInvariant: true });
  // Room for a few paths at a time, so that calls are cut into several waves.
  const { fixedBytes, weightBytes } = engine.info.details as Record<string, number>;
  const longest = examples.reduce((a, b) => b.prompt.length > a.prompt.length ? b : a);
  const onePath = engine.forecast!([longest], { attribute: { rule, pairs: [{ example: 0, layer: 0 }] } });
  const tight = await openTestEngine(checkpoint, {
    kernelVariant,
    batchInvariant: true,
    memoryBudgetBytes: fixedBytes + 2 * Math.max(...onePath.map(({ bytes }) => bytes)),
    weightBudgetBytes: weightBytes,
  });

  for (const positions of ["all", "last"] as const) {
    Deno.test(`attribute() gives a pair the same bits alone, among others and in smaller waves when positions are ${positions} (${kernelVariant})`, async () => {
      const together = await engine.attribute(examples, { rule, positions });
      if (positions === "all") {
        const waves = (others: Engine) => others.forecast!(examples, { attribute: { rule } }).length;
        assert(waves(tight) > waves(engine) + 1, `${waves(tight)} waves`);
      }
      assertEquals(await tight.attribute(examples, { rule, positions }), together);
      for (const pair of together.filter((_, index) => index % 4 === 1)) {
        const pairs = [{ example: 0, layer: pair.layer }];
        const [alone] = await engine.attribute([examples[pair.example]], { rule, positions, pairs });
        assertEquals({ ...alone, example: pair.example }, pair);
      }
    });
  }

  Deno.test(`choiceLogProbs() gives an example the same bits alone and among others (${kernelVariant})`, async () => {
    const mask = (layer: number) => [{ layer, site: "gate", neurons: Uint32Array.of(1, 4, 9) }] as const;
    const interventions = [[], mask(0), mask(2)];
    const together = await engine.choiceLogProbs(examples, interventions);
    assertEquals(await tight.choiceLogProbs(examples, interventions), together);
    for (const [i, intervention] of interventions.entries()) {
      assertEquals(await engine.choiceLogProbs(examples, [intervention]), [together[i]]);
    }
    const one = (index: number): Example[] => [examples[index]];
    for (const index of [0, 3]) {
      const alone = await engine.choiceLogProbs(one(index), interventions);
      assertEquals(alone, together.map((rows) => [rows[index]]));
    }
  });
}
