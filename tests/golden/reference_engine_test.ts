/**
 * The reference engine against independent float64 numbers, for all six golden sets.
 *
 * Covered: `logits_last`, `logits_last_zeroed`, `logits_all`, `hidden_in`, `hidden_out`, `gate_pre_last`, `cont_logprob`,
 * `cont_logprob_zeroed`, all three `*_mid20` with `m_clean`, `m0_*`, `target_token` and `zero_idx`, for all prompts and layers;
 * all three `*_exact` for the two shorter prompts of four in all layers; `ig_gate_all_gl512` of the stiff set for its shortest
 * prompt. The longer prompts take the same path through the code with the 20-point rule, at a third of the time.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import type { AttributeOptions, Engine, PairAttribution } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { forward } from "../../src/engine/reference/forward.ts";
import { loadModel, type Model } from "../../src/engine/reference/weights.ts";
import { quadratureRule, type RuleName } from "../../src/method/quadrature.ts";
import type { Example } from "../../src/tasks/example.ts";
import { completenessError } from "../support/completeness.ts";
import { type Golden, GOLDEN_NAMES, loadGolden } from "../support/golden.ts";
import { relativeError } from "../support/relative_error.ts";

/** Worst error accepted, relative to the largest value of the row, layer or tensor. Measured: at most 2e-14. */
const tolerance = 1e-9;

const paths = [
  { name: "gate_all", site: "gate", positions: "all" },
  { name: "gate_last", site: "gate", positions: "last" },
  { name: "up_all", site: "up", positions: "all" },
] as const;

interface Subject {
  readonly golden: Golden;
  readonly engine: Engine;
  readonly model: Model;
  readonly examples: readonly Example[];
}

/** Opens a golden set; its files are closed again once the weights are in memory. */
async function openSubject(name: typeof GOLDEN_NAMES[number]): Promise<Subject> {
  const golden = await loadGolden(name);
  const checkpoint = await openCheckpoint(golden.folder);
  try {
    const examples = golden.prompts.map((prompt, i) => ({
      id: `${name}/${i}`,
      prompt: Uint32Array.from(prompt),
      choices: golden.continuations[i].map((tokens) => Uint32Array.from(tokens)),
      choiceCharacters: golden.continuations[i].map((tokens) => tokens.length),
      gold: 0,
    }));
    return { golden, engine: await createReferenceEngine(checkpoint), model: await loadModel(checkpoint), examples };
  } finally {
    await checkpoint.close();
  }
}

/** Element `[i]` of the first axis of a golden tensor, flat. */
function goldenRow(golden: Golden, name: string, i: number): Float64Array {
  const { shape, data } = golden.tensor(name);
  const size = data.length / shape[0];
  return data.subarray(i * size, (i + 1) * size);
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assertLess(relativeError(actual, expected), tolerance, `${what} is off`);
}

/** Attributes with a rule and compares scores, M(1), M(0) and targets with the golden tensors. */
async function assertAttribution(
  { golden, engine, examples }: Subject,
  { name, site, positions }: typeof paths[number],
  rule: RuleName,
  nodes: number,
  suffix: string,
): Promise<PairAttribution[]> {
  const options: AttributeOptions = { rule: quadratureRule(rule, nodes), site, positions };
  const results = await engine.attribute(examples, options);
  const { layers, neurons } = engine.config;
  assertEquals(results.length, examples.length * layers);
  for (const { example, layer, scores, objectiveAtOne, objectiveAtZero, targetToken } of results) {
    const place = `${name}${suffix} of prompt ${example}, layer ${layer}`;
    const expected = goldenRow(golden, `ig_${name}${suffix}`, example).subarray(layer * neurons, (layer + 1) * neurons);
    assertClose(scores, expected, place);
    const atOne = golden.tensor("m_clean").data[example];
    assertClose([objectiveAtOne], [atOne], `M(1) of ${place}`);
    // M(0) may happen to be near zero, so it is measured against the path's ends.
    assertClose([objectiveAtZero, atOne], [goldenRow(golden, `m0_${name}`, example)[layer], atOne], `M(0) of ${place}`);
    assertEquals(targetToken, golden.targetTokens[example]);
  }
  return results;
}

for (const name of GOLDEN_NAMES) {
  const subject = await openSubject(name);
  const { golden, engine, model, examples } = subject;
  const { layers, neurons } = engine.config;
  const zeroed = [{ layer: 1, site: "gate" as const, neurons: Uint32Array.from(golden.tensor("zero_idx").data) }];

  Deno.test(`logits() equals the golden logits of ${name}, unmodified and with neurons switched off`, async () => {
    const results = await engine.logits(examples, [[], zeroed]);
    ["logits_last", "logits_last_zeroed"].forEach((tensor, intervention) =>
      examples.forEach((_, i) =>
        assertClose(results[intervention][i], goldenRow(golden, tensor, i), `${tensor} of prompt ${i}`)
      )
    );
  });

  Deno.test(`logits() equals the golden logits of ${name} at every position when the prompt is cut there`, async () => {
    const { prompt } = examples[golden.detailPrompt];
    const prefixes = Array.from(prompt, (_, t) => ({
      ...examples[golden.detailPrompt],
      prompt: prompt.subarray(0, t + 1),
    }));
    const [results] = await engine.logits(prefixes, [[]]);
    results.forEach((logits, t) => assertClose(logits, goldenRow(golden, "logits_all", t), `logits at position ${t}`));
  });

  Deno.test(`forward() equals the golden residual streams and gate pre-activations of ${name}`, () => {
    const detail = forward(model, examples[golden.detailPrompt].prompt, { keepFrom: 0 });
    assertClose(detail.residual, golden.tensor("hidden_out").data, "hidden_out");
    for (let layer = 0; layer < layers; layer++) {
      assertClose(detail.tapes[layer]!.input, goldenRow(golden, "hidden_in", layer), `hidden_in of layer ${layer}`);
    }
    examples.forEach(({ prompt }, i) => {
      const { tapes } = forward(model, prompt, { keepFrom: 0 });
      const last = tapes.flatMap((tape) => [...tape!.feedForward.preActivation.gate.slice(-neurons)]);
      assertClose(last, goldenRow(golden, "gate_pre_last", i), `gate_pre_last of prompt ${i}`);
    });
  });

  Deno.test(`choiceLogProbs() equals the golden continuations of ${name}, unmodified and with neurons switched off`, async () => {
    const results = await engine.choiceLogProbs(examples, [[], zeroed]);
    ["cont_logprob", "cont_logprob_zeroed"].forEach((tensor, intervention) =>
      examples.forEach((_, i) =>
        assertClose(results[intervention][i], goldenRow(golden, tensor, i), `${tensor} of prompt ${i}`)
      )
    );
  });

  for (const path of paths) {
    Deno.test(`attribute() equals the golden ${path.name} of ${name} when it uses 20 midpoints`, async () => {
      const results = await assertAttribution(subject, path, "midpoint", 20, "_mid20");
      if (path.name !== "gate_all") return;
      const mean = new Float64Array(neurons);
      for (const { layer, scores } of results) {
        if (layer === 1) scores.forEach((score, j) => mean[j] += score / examples.length);
      }
      const order = Array.from(mean.keys()).sort((a, b) => mean[b] - mean[a]);
      const chosen = order.slice(0, zeroed[0].neurons.length).sort((a, b) => a - b);
      assertEquals(Uint32Array.from(chosen), zeroed[0].neurons);
    });

    Deno.test(`attribute() equals the golden ${path.name} of ${name} when it uses 64 Gauss-Legendre nodes`, async () => {
      const shorter = { ...subject, examples: examples.slice(0, 2) };
      assert(shorter.examples.every(({ prompt }, i) => prompt.length <= examples[i + 1].prompt.length));
      await assertAttribution(shorter, path, "gauss-legendre", 64, "_exact");
    });
  }

  if (golden.stiff) {
    Deno.test(`attribute() equals the golden gate_all of ${name} and is complete when it uses 512 nodes`, async () => {
      const shortest = { ...subject, examples: examples.slice(0, 1) };
      const results = await assertAttribution(shortest, paths[0], "gauss-legendre", 512, "_gl512");
      for (const result of results) assertLess(completenessError([result]), 1e-12, `layer ${result.layer}`);
    });
  }
}
