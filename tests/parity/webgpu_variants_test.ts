/** Both kernel variants of the WebGPU engine on the same model. */
import { assertEquals, assertRejects } from "@std/assert";
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { TINY_MODELS, tinyInterventions } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, testVariants, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

const rule = quadratureRule("gauss-legendre", 3);
const variants = await testVariants();

for (const [name, options] of Object.entries(TINY_MODELS)) {
  const checkpoint = await makeTinyCheckpoint(options);

  if (variants.includes("subgroup")) {
    Deno.test(`the subgroup kernels equal the tile kernels on ${name}`, async () => {
      const tile = await openTestEngine(checkpoint, { kernelVariant: "tile" });
      const subgroup = await openTestEngine(checkpoint, { kernelVariant: "subgroup" });
      assertEquals([tile, subgroup].map(({ info }) => info.details.kernels), ["tile", "subgroup"]);
      const examples = makeTinyExamples(checkpoint.config, { promptTokens: [1, 18], choiceTokens: [1, 3], seed: 11 });
      const masks = Object.values(tinyInterventions(checkpoint.config));
      const choices = [await tile.choiceLogProbs(examples, masks), await subgroup.choiceLogProbs(examples, masks)];
      const logits = [await tile.logits(examples, masks), await subgroup.logits(examples, masks)];
      masks.forEach((_, m) =>
        examples.forEach((_, e) => {
          const place = `example ${e}, intervention ${m}`;
          assertClose(choices[1][m][e], choices[0][m][e], WEBGPU_TOLERANCE.logProbs, `choices of ${place}`);
          assertClose(logits[1][m][e], logits[0][m][e], WEBGPU_TOLERANCE.logits, `logits of ${place}`);
        })
      );
      const scores = [await tile.attribute(examples, { rule }), await subgroup.attribute(examples, { rule })];
      scores[0].forEach(({ scores: expected, example, layer }, i) =>
        assertClose(scores[1][i].scores, expected, WEBGPU_TOLERANCE.scores, `scores ${example}, layer ${layer}`)
      );
    });
  }
}

Deno.test("createWebGpuEngine() takes the tile kernels, and refuses the others, when the device has no subgroups", async () => {
  const checkpoint = await makeTinyCheckpoint();
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter!.requestDevice();
  try {
    const engine = await createWebGpuEngine(checkpoint, { device });
    assertEquals(engine.info.details.kernels, "tile");
    await engine.close();
    await assertRejects(
      () => createWebGpuEngine(checkpoint, { device, kernelVariant: "subgroup" }),
      RangeError,
      "subgroups",
    );
  } finally {
    device.destroy();
    await device.lost;
  }
});
