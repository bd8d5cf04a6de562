/** Scoring and searching on both engines: the same plan. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { planFromSearch, searchGrid } from "../../src/method/search.ts";
import type { Example } from "../../src/tasks/example.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { openEnginePair } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

const demo = fileURLToPath(new URL("../../examples/demo", import.meta.url));

/** Scores all neurons, searches the grid, and plans; figures that f32 rounds are left out of the plan. */
async function choose(engine: Engine, examples: readonly Example[], site: "gate" | "up" | "down") {
  const { scores, targets, nodesUsed } = await scoreNeurons(engine, examples, { site, maxNodes: 16 });
  const search = await searchGrid(engine, examples, scores, { fractions: [0.05, 0.1, 0.2, 0.35, 0.5] });
  const { meanMargin: _, ...chosen } = planFromSearch(engine.config, search).chosen;
  const cells = search.configurations.map(({ meanMargin: _, ...cell }) => cell);
  const margins = search.configurations.map(({ meanMargin }) => meanMargin);
  const { masks, model } = planFromSearch(engine.config, search);
  return { scores, margins, exact: { targets, nodesUsed, cells, chosen, masks, model } };
}

async function assertSamePlan(
  reference: Engine,
  webgpu: Engine,
  examples: readonly Example[],
  site: "gate" | "up" | "down",
): Promise<void> {
  const expected = await choose(reference, examples, site);
  const actual = await choose(webgpu, examples, site);
  assertEquals(actual.exact, expected.exact);
  assertClose(actual.scores.values, expected.scores.values, WEBGPU_TOLERANCE.scores, "scores");
  assertClose(actual.margins, expected.margins, WEBGPU_TOLERANCE.objectives, "margins");
}

const tiny = await openEnginePair({ layers: 3, width: 16, neurons: 24, headWidth: 4, seed: 12 });
const examples = makeTinyExamples(tiny.config, { count: 6, promptTokens: [3, 8], choiceTokens: [1, 2], seed: 12 });

for (const site of ["gate", "up", "down"] as const) {
  Deno.test(`searchGrid() chooses the reference's plan on a random model when ${site} neurons are scored`, async () => {
    await assertSamePlan(tiny.reference, tiny.webgpu, examples, site);
  });
}

Deno.test("searchGrid() chooses the reference's plan on the bundled model", async () => {
  const checkpoint = await openCheckpoint(`${demo}/model`);
  const tokenizer = await loadTokenizer(`${demo}/model`);
  const task = await loadTask(`${demo}/task/demo.yaml`, { tokenizer });
  const examples = await task.sample("adaptation", { count: 4, seed: 1 });
  await assertSamePlan(await createReferenceEngine(checkpoint), await openTestEngine(checkpoint), examples, "gate");
  await checkpoint.close();
});
