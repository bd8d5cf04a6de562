/**
 * The reference engine against independent float64 numbers, for every golden set.
 *
 * Covered: `logits_last`, `logits_last_zeroed`, `logits_all`, `hidden_in`, `hidden_out`, `gate_pre_last`,
 * `cont_logprob`, `cont_logprob_zeroed`, all three `*_mid20` with `m_clean`, `m0_*`, `target_token` and `zero_idx`, for
 * all prompts and layers; all three `*_exact` for the two shorter prompts of four in all layers; `ig_gate_all_gl512` of
 * the stiff set for its shortest prompt. The longer prompts take the same path through the code with the 20-point rule,
 * at a third of the time.
 */
import { assertLess } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { forward } from "../../src/engine/reference/forward.ts";
import { loadModel, type Model } from "../../src/engine/reference/weights.ts";
import { completenessError } from "../support/completeness.ts";
import { GOLDEN_NAMES, type GoldenName, loadGolden } from "../support/golden.ts";
import {
  attributeGolden,
  GOLDEN_PATHS,
  goldenExamples,
  goldenRow,
  type GoldenSubject,
  testGoldenSet,
} from "../support/golden_contract.ts";
import { assertClose } from "../support/relative_error.ts";

/** Measured: at most 2e-14. */
const tolerance = { logits: 1e-9, logProbs: 1e-9, scores: 1e-9 };

/** Opens a golden set; its files are closed again once the weights are in memory. */
async function openSubject(name: GoldenName): Promise<GoldenSubject & { readonly model: Model }> {
  const golden = await loadGolden(name);
  const checkpoint = await openCheckpoint(golden.folder);
  try {
    const engine = await createReferenceEngine(checkpoint);
    return { golden, engine, model: await loadModel(checkpoint), examples: goldenExamples(golden) };
  } finally {
    await checkpoint.close();
  }
}

for (const name of GOLDEN_NAMES) {
  const subject = await openSubject(name);
  const { golden, engine, model, examples } = subject;
  const { layers, neurons } = engine.config;
  testGoldenSet(subject, tolerance, 2);

  Deno.test(`forward() equals the golden residual streams and gate pre-activations of ${name}`, () => {
    const assertEqualTo = (actual: ArrayLike<number>, expected: ArrayLike<number>, what: string) =>
      assertClose(actual, expected, tolerance.logits, what);
    const detail = forward(model, examples[golden.detailPrompt].prompt, { keepFrom: 0 });
    assertEqualTo(detail.residual, golden.tensor("hidden_out").data, "hidden_out");
    for (let layer = 0; layer < layers; layer++) {
      assertEqualTo(detail.tapes[layer]!.input, goldenRow(golden, "hidden_in", layer), `hidden_in of layer ${layer}`);
    }
    examples.forEach(({ prompt }, i) => {
      const { tapes } = forward(model, prompt, { keepFrom: 0 });
      const last = tapes.flatMap((tape) => [...tape!.feedForward.preActivation.gate.slice(-neurons)]);
      assertEqualTo(last, goldenRow(golden, "gate_pre_last", i), `gate_pre_last of prompt ${i}`);
    });
  });

  if (golden.stiff) {
    Deno.test(`attribute() equals the golden gate_all of ${name} and is complete when it uses 512 nodes`, async () => {
      const shortest = { ...subject, examples: examples.slice(0, 1) };
      const results = await attributeGolden(shortest, GOLDEN_PATHS[0], ["gauss-legendre", 512, "_gl512"], tolerance);
      for (const result of results) assertLess(completenessError([result]), 1e-12, `layer ${result.layer}`);
    });
  }
}
