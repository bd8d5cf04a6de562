/**
 * The WebGPU engine against independent float64 numbers, for every golden set.
 *
 * Covered: `logits_last`, `logits_last_zeroed`, `logits_all`, `cont_logprob`, `cont_logprob_zeroed`, all three
 * `*_mid20` with `m_clean`, `m0_*`, `target_token` and `zero_idx`, for all prompts and layers; all three `*_exact` for
 * the shortest prompt; all three `*_gl512` of the stiff set, by the adaptive rule, for its two shorter prompts.
 */
import { assertEquals } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/golden.ts";
import { GOLDEN_PATHS, goldenExamples, goldenRow, testGoldenSet } from "../support/golden_contract.ts";
import { assertClose } from "../support/relative_error.ts";
import { openTestEngine, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

for (const name of GOLDEN_NAMES) {
  const golden = await loadGolden(name);
  const checkpoint = await openCheckpoint(golden.folder);
  const engine = await openTestEngine(checkpoint);
  const examples = goldenExamples(golden);
  Deno.test.afterAll(() => checkpoint.close());
  testGoldenSet({ golden, engine, examples }, WEBGPU_TOLERANCE, 1);

  if (golden.stiff) {
    const shorter = examples.slice(0, 2);
    for (const path of GOLDEN_PATHS) {
      Deno.test(`scoreNeurons() equals the golden ${path.name} of ${name} with 512 nodes when its rule adapts`, async () => {
        const { site, positions } = path;
        // With fewer nodes to start with, errors of both signs can cancel in the sum over neurons, which ends the
        // refinement.
        const rule = { initialNodes: 16, maxNodes: 512, tolerance: 1e-5 };
        const options = { site, positions, ...rule, keepPerExample: true };
        const { perExample, completenessError } = await scoreNeurons(engine, shorter, options);
        assertEquals(completenessError.unconverged, 0);
        const { layers, neurons } = engine.config;
        shorter.forEach((_, i) => {
          const expected = goldenRow(golden, `ig_${path.name}_gl512`, i);
          for (let layer = 0; layer < layers; layer++) {
            const [start, end] = [layer * neurons, (layer + 1) * neurons];
            const scores = perExample![i].subarray(start, end);
            assertClose(scores, expected.subarray(start, end), WEBGPU_TOLERANCE.scores, `prompt ${i}, layer ${layer}`);
          }
        });
      });
    }
  }
}
