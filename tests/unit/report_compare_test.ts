/** Two runs side by side: what is the same, what differs, and by how much. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { DOMParser } from "linkedom";
import type { RunResults } from "../../src/method/run_results.ts";
import { compareRuns } from "../../src/report/compare_runs.ts";
import { renderComparison } from "../../src/report/comparison_page.ts";
import { sampleRunResults } from "../support/run_results.ts";

/** The results with other scores. */
function withScores(results: RunResults, change: (score: number, index: number) => number): RunResults {
  const { scores } = results.scored;
  return { ...results, scored: { ...results.scored, scores: { ...scores, values: scores.values.map(change) } } };
}

Deno.test("compareRuns() finds no difference when a run is compared with itself", () => {
  const run = sampleRunResults();
  const { differences, scores, plan, unpruned, pruned } = compareRuns(run, run);
  assertEquals(differences, []);
  assertEquals(scores!.worst, 0);
  assertEquals([plan.same, plan.shared, plan.onlyA, plan.onlyB], [true, run.searched.neurons.length, 0, 0]);
  assertEquals([unpruned!.worst, pruned!.worst, pruned!.paired.gained, pruned!.paired.lost], [0, 0, 0, 0]);
});

Deno.test("compareRuns() gives the worst score difference relative to its layer when one score differs", () => {
  const a = sampleRunResults();
  const { neurons, values } = a.scored.scores;
  const largest = Math.max(...values.subarray(neurons, 2 * neurons).map(Math.abs));
  const b = withScores(a, (score, index) => index === neurons + 5 ? score + largest / 8 : score);
  const { layers, worst } = compareRuns(a, b).scores!;
  assertAlmostEquals(worst, 1 / 8, 1e-6);
  assertEquals(layers.map((layer) => layer.worst > 0), [false, true, false]);
  assertEquals(layers[1].neuron, 5);
});

Deno.test("compareRuns() counts neurons of one plan only and answers of one run only when they differ", () => {
  const [a, other] = [sampleRunResults({ seed: 1 }), sampleRunResults({ seed: 2 })];
  const [mask] = a.plan.masks;
  const fewer = { ...a.plan, masks: [{ ...mask, neurons: mask.neurons.slice(1) }] };
  const examples = a.answers.examples.map((example, i) =>
    i === 0 ? { ...example, unpruned: example.unpruned.toReversed() } : example
  );
  const { plan, unpruned } = compareRuns(a, { ...a, plan: fewer, answers: { ...a.answers, examples } });
  assertEquals([plan.same, plan.shared, plan.onlyA, plan.onlyB], [false, mask.neurons.length - 1, 1, 0]);
  assertEquals(unpruned!.paired.gained + unpruned!.paired.lost, 1);
  const [x, y] = a.answers.examples[0].unpruned as number[];
  assertAlmostEquals(unpruned!.worst, Math.abs(x - y), 1e-12);

  const found = compareRuns(a, other).differences.map(({ name }) => name);
  assert(found.includes("seed"), found.join(" "));
});

Deno.test("compareRuns() compares neither scores nor answers when shapes and examples differ", () => {
  const a = sampleRunResults();
  const b = sampleRunResults({ neurons: 25, prefix: "other " });
  const { scores, unpruned, pruned, differences, plan } = compareRuns(a, b);
  assertEquals([scores, unpruned, pruned, plan.same], [null, null, null, false]);
  assertEquals(differences.find(({ name }) => name === "shape.neurons"), { name: "shape.neurons", a: "24", b: "25" });
});

Deno.test("compareRuns() names another sampling, and a long list by its first and last entry", () => {
  const run = sampleRunResults();
  const drawn = (sampling: string[], ids: string[]): RunResults => {
    const { record } = run;
    const examples = { ...record.examples, adaptation: ids };
    return { ...run, record: { ...record, arguments: [...record.arguments, ...sampling], examples } };
  };
  const ids = [64, 7, 300, 12, 45, 318].map((row) => `adaptation/${row}`);
  const plain = drawn([], ids);
  for (const words of [["--sampling", "balanced"], ["--sampling=balanced"]]) {
    assertEquals(compareRuns(plain, drawn(words, ids.toReversed())).differences, [
      { name: "sampling", a: '"plain"', b: '"balanced"' },
      {
        name: "examples.adaptation",
        a: "6 entries: adaptation/64, …, adaptation/318",
        b: "6 entries: adaptation/318, …, adaptation/64",
      },
    ]);
  }
  assertEquals(compareRuns(plain, drawn(["--sampling", "plain"], ids)).differences, []);
});

Deno.test("renderComparison() says the same as compareRuns() and shows strangers' text as text", () => {
  const attack = "<script>alert(1)</script>";
  const a = sampleRunResults({ adapter: attack });
  const b = withScores(sampleRunResults({ adapter: "another" }), (score) => score * 1.5);
  const page = renderComparison({ name: attack, results: a }, { name: "b", results: b });
  const document = new DOMParser().parseFromString(page, "text/html");
  assertEquals(document.querySelectorAll("script").length, 1);
  assertStringIncludes(document.querySelector(".sentence")!.textContent, "the same plan");
  assertStringIncludes(document.querySelector(".facts")!.textContent, "0.5of the largest score of the layer");
  assertStringIncludes(document.querySelector("main")!.textContent, attack);
});

Deno.test("compareRuns() says why plans differ when the same was asked for", () => {
  const a = sampleRunResults();
  const { searched } = a;
  const { layer, fraction } = searched.configurations[searched.chosen];
  const withPlan = (run: RunResults, neurons: Uint32Array): RunResults => ({
    ...run,
    searched: { ...run.searched, neurons },
    plan: { ...run.plan, masks: [{ ...run.plan.masks[0], neurons: neurons.toSorted() }] },
  });
  const reasonOf = (other: RunResults) => compareRuns(a, other).plan.reason;
  assertEquals(reasonOf(a), null);

  // Another neuron takes the place of the last one: by a hair, and by far.
  const { neurons } = a.scored.scores;
  const outside = Array.from({ length: neurons }, (_, j) => j).find((j) => !searched.neurons.includes(j))!;
  const swapped = Uint32Array.of(...searched.neurons.subarray(0, -1), outside);
  const at = layer! * neurons;
  assertStringIncludes(reasonOf(withPlan(a, swapped))!, "this is no tie");
  const [low, high] = [outside, searched.neurons.at(-1)!].map((j) => a.scored.scores.values[at + j]);
  const last = searched.neurons.at(-1)!;
  // Each run's neurons are the top of its own scores, and the scores themselves are others.
  const turned = withScores(a, (score, j) => j === at + outside ? high : j === at + last ? low : score);
  assertStringIncludes(reasonOf(withPlan(turned, swapped))!, "this is no tie, the scores themselves differ.");
  // The same, but the two are as good as equal in both.
  const largest = Math.max(...a.scored.scores.values.subarray(at, at + neurons).map(Math.abs));
  const level = (above: number) =>
    withScores(
      a,
      (score, j) => j === at + last || j === at + outside ? high + (j === above ? 1e-5 * largest : 0) : score,
    );
  const tie = compareRuns(level(at + last), withPlan(level(at + outside), swapped)).plan.reason!;
  assertStringIncludes(tie, "a tie at the cut, which the last bits decide.");

  // Another configuration of the same accuracy, and of another one.
  const choose = (correct: number): RunResults => {
    const chosen = searched.configurations.findIndex((other) =>
      other.correct === correct && other.layer !== null && (other.layer !== layer || other.fraction !== fraction)
    );
    return withPlan({ ...a, searched: { ...searched, chosen } }, Uint32Array.of(0));
  };
  const best = searched.configurations[searched.chosen].correct;
  assertStringIncludes(reasonOf(choose(best))!, "tie on accuracy in both runs; their mean margins differ by");
  assertStringIncludes(reasonOf(choose(best - 1))!, "do not tie: their accuracies are");

  // Another rule does not choose by accuracy alone, and nothing is said of what decided.
  const byRule = (run: RunResults): RunResults => {
    const settings = { ...run.searched.settings, selectionRule: "bootstrap" as const };
    const search = { ...run.record.search, selectionRule: "bootstrap" as const };
    return { ...run, searched: { ...run.searched, settings }, record: { ...run.record, search } };
  };
  const ruled = compareRuns(byRule(a), byRule(choose(best))).plan.reason!;
  assertStringIncludes(ruled, "The rule bootstrap chose layer");
});
