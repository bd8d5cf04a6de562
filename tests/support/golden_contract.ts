/** What every engine must reproduce of a golden set, with the tolerance that its arithmetic allows. */
import { assert, assertEquals } from "@std/assert";
import type { AttributeOptions, Engine, Mask, PairAttribution } from "../../src/engine/engine.ts";
import { quadratureRule, type RuleName } from "../../src/method/quadrature.ts";
import type { Example } from "../../src/tasks/example.ts";
import type { Golden } from "./golden.ts";
import { assertClose } from "./relative_error.ts";

/** An engine over a golden checkpoint, and the golden prompts as examples. */
export interface GoldenSubject {
  readonly golden: Golden;
  readonly engine: Engine;
  readonly examples: readonly Example[];
}

/** Largest error accepted, by what is compared. */
export interface GoldenTolerance {
  /** Of logits, relative to the largest |logit| of the prompt; and of M(1) and M(0), to the larger of the two. */
  readonly logits: number;
  /** Of log-probabilities, relative to the largest |log-probability| of the prompt's continuations. */
  readonly logProbs: number;
  /** Of attributions, relative to the largest |attribution| of the layer. */
  readonly scores: number;
}

/** The golden paths: `golden.tensor("ig_<name>_<rule>")`. */
export const GOLDEN_PATHS = [
  { name: "gate_all", site: "gate", positions: "all" },
  { name: "gate_last", site: "gate", positions: "last" },
  { name: "up_all", site: "up", positions: "all" },
] as const;

/** The prompts of a golden set, with its continuations as choices. */
export function goldenExamples(golden: Golden): Example[] {
  return golden.prompts.map((prompt, i) => ({
    id: `${golden.name}/${i}`,
    prompt: Uint32Array.from(prompt),
    choices: golden.continuations[i].map((tokens) => Uint32Array.from(tokens)),
    choiceCharacters: golden.continuations[i].map((tokens) => tokens.length),
    gold: 0,
  }));
}

/** Element `[i]` of the first axis of a golden tensor, flat. */
export function goldenRow(golden: Golden, name: string, i: number): Float64Array {
  const { shape, data } = golden.tensor(name);
  const size = data.length / shape[0];
  return data.subarray(i * size, (i + 1) * size);
}

/** The neurons that are switched off for `*_zeroed`. */
export function goldenMask(golden: Golden): Mask {
  return { layer: 1, site: "gate", neurons: Uint32Array.from(golden.tensor("zero_idx").data) };
}

/** Compares attributions with the golden tensors `ig_<path><suffix>`, and their M(1), M(0) and targets. */
export function assertGoldenAttribution(
  { golden, engine }: GoldenSubject,
  path: typeof GOLDEN_PATHS[number],
  suffix: string,
  results: readonly PairAttribution[],
  tolerance: GoldenTolerance,
): void {
  const { neurons } = engine.config;
  for (const { example, layer, scores, objectiveAtOne, objectiveAtZero, targetToken } of results) {
    const place = `${path.name}${suffix} of prompt ${example}, layer ${layer}`;
    const expected = goldenRow(golden, `ig_${path.name}${suffix}`, example);
    assertClose(scores, expected.subarray(layer * neurons, (layer + 1) * neurons), tolerance.scores, place);
    const atOne = golden.tensor("m_clean").data[example];
    assertClose([objectiveAtOne], [atOne], tolerance.logits, `M(1) of ${place}`);
    // M(0) may happen to be near zero, so it is measured against the path's ends.
    const ends = [goldenRow(golden, `m0_${path.name}`, example)[layer], atOne];
    assertClose([objectiveAtZero, atOne], ends, tolerance.logits, `M(0) of ${place}`);
    assertEquals(targetToken, golden.targetTokens[example]);
  }
}

/** Attributes all layers of the examples with a rule and compares with the golden tensors. */
export async function attributeGolden(
  subject: GoldenSubject,
  path: typeof GOLDEN_PATHS[number],
  [rule, nodes, suffix]: readonly [rule: RuleName, nodes: number, suffix: string],
  tolerance: GoldenTolerance,
): Promise<PairAttribution[]> {
  const { engine, examples } = subject;
  const options: AttributeOptions = { rule: quadratureRule(rule, nodes), site: path.site, positions: path.positions };
  const results = await engine.attribute(examples, options);
  assertEquals(results.length, examples.length * engine.config.layers);
  assertGoldenAttribution(subject, path, suffix, results, tolerance);
  return results;
}

/**
 * Registers the tests that every engine passes on a golden set: logits, continuations and attributions, unmodified and
 * with neurons switched off.
 *
 * @param exactPrompts How many prompts, the shortest first, are also attributed with 64 Gauss-Legendre nodes.
 */
export function testGoldenSet(subject: GoldenSubject, tolerance: GoldenTolerance, exactPrompts: number): void {
  const { golden, engine, examples } = subject;
  const { name } = golden;
  const zeroed = goldenMask(golden);

  Deno.test(`logits() equals the golden logits of ${name}, unmodified and with neurons switched off`, async () => {
    const results = await engine.logits(examples, [[], [zeroed]]);
    ["logits_last", "logits_last_zeroed"].forEach((tensor, intervention) =>
      examples.forEach((_, i) => {
        const expected = goldenRow(golden, tensor, i);
        assertClose(results[intervention][i], expected, tolerance.logits, `${tensor} of prompt ${i}`);
      })
    );
  });

  Deno.test(`logits() equals the golden logits of ${name} at every position when the prompt is cut there`, async () => {
    const detail = examples[golden.detailPrompt];
    const prefixes = Array.from(detail.prompt, (_, t) => ({ ...detail, prompt: detail.prompt.subarray(0, t + 1) }));
    const [results] = await engine.logits(prefixes, [[]]);
    results.forEach((logits, t) =>
      assertClose(logits, goldenRow(golden, "logits_all", t), tolerance.logits, `logits at position ${t}`)
    );
  });

  Deno.test(`choiceLogProbs() equals the golden continuations of ${name}, unmodified and with neurons switched off`, async () => {
    const results = await engine.choiceLogProbs(examples, [[], [zeroed]]);
    ["cont_logprob", "cont_logprob_zeroed"].forEach((tensor, intervention) =>
      examples.forEach((_, i) => {
        const expected = goldenRow(golden, tensor, i);
        assertClose(results[intervention][i], expected, tolerance.logProbs, `${tensor} of prompt ${i}`);
      })
    );
  });

  for (const path of GOLDEN_PATHS) {
    Deno.test(`attribute() equals the golden ${path.name} of ${name} when it uses 20 midpoints`, async () => {
      const results = await attributeGolden(subject, path, ["midpoint", 20, "_mid20"], tolerance);
      if (path.name !== "gate_all") return;
      const mean = new Float64Array(engine.config.neurons);
      for (const { layer, scores } of results) {
        if (layer === zeroed.layer) scores.forEach((score, j) => mean[j] += score / examples.length);
      }
      const order = Array.from(mean.keys()).sort((a, b) => mean[b] - mean[a]);
      const chosen = order.slice(0, zeroed.neurons.length).sort((a, b) => a - b);
      assertEquals(Uint32Array.from(chosen), zeroed.neurons);
    });

    Deno.test(`attribute() equals the golden ${path.name} of ${name} when it uses 64 Gauss-Legendre nodes`, async () => {
      assert(examples.every(({ prompt }, i) => i === 0 || prompt.length >= examples[i - 1].prompt.length));
      const shorter = { ...subject, examples: examples.slice(0, exactPrompts) };
      await attributeGolden(shorter, path, ["gauss-legendre", 64, "_exact"], tolerance);
    });
  }
}
