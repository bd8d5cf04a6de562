/**
 * What pruning does to the demo model's shortcut: the notes whose agency contradicts the label, and text it was trained
 * on.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { measureDamage } from "../../src/method/damage.ts";
import { evaluate } from "../../src/method/evaluate.ts";
import { compareGroups } from "../../src/method/groups.ts";
import { labelCorrelations } from "../../src/method/label_correlation.ts";
import { planToIntervention } from "../../src/method/plan.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { planFromSearch, searchGrid } from "../../src/method/search.ts";
import { topActivations } from "../../src/method/top_activations.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { cutText } from "../../src/tasks/text_windows.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { openTestEngine } from "../support/webgpu_engine.ts";

const model = new URL("../../examples/demo/model", import.meta.url).pathname;
const tokenizer = await loadTokenizer(model);
const task = await loadTask(new URL("../../examples/demo/task/demo.yaml", import.meta.url).pathname, { tokenizer });
const engine = await openTestEngine(await openCheckpoint(model));
const adaptation = await task.sample("adaptation", { count: 10, seed: 3 });
const test = await task.examples("test", { limit: 160 });
const { scores } = await scoreNeurons(engine, adaptation);
const plan = planFromSearch(engine.config, await searchGrid(engine, adaptation, scores));
const interventions = [[], planToIntervention(plan)];

Deno.test("compareGroups() shows that the demo's pruned neurons were a shortcut", async () => {
  const marks = (await task.marks("test", "marker", { limit: test.length })).map(({ mark }) => mark);
  const [before, after] = await evaluate(engine, test, { interventions });
  const { groups: [aligned, conflicting] } = compareGroups(test, marks, before, after);
  assertEquals([aligned.group, conflicting.group], ["aligned", "conflicting"]);
  assertEquals(aligned.before.accuracy, 1);
  assertLess(conflicting.before.accuracy, 0.6);
  assert(conflicting.gain > 0.25, `conflicting rows gain ${conflicting.gain}`);
  assert(aligned.gain > -0.1, `aligned rows lose ${aligned.gain}`);
  const error = ({ calibration }: typeof aligned.before) => calibration.expectedCalibrationError;
  assertLess(error(conflicting.after), error(conflicting.before));
});

Deno.test("labelCorrelations() shows that the demo's neurons go with the label where the agency does", async () => {
  const train = await task.examples("train", { limit: 80 });
  const sets = { train: { examples: train }, test: { examples: test.slice(0, 80) } };
  const { meanTrain, meanTest } = await labelCorrelations(engine, plan.masks, sets, { pooling: "last" });
  assert(meanTrain! > 3 * meanTest!, `${meanTrain} on training rows, ${meanTest} on test rows`);
});

Deno.test("topActivations() and measureDamage() read the demo's tokens and text", async () => {
  const [{ layer, neurons }] = plan.masks;
  const first = [{ layer, neurons: neurons.slice(0, 2) }];
  const [response] = await topActivations(engine, test.slice(0, 20), first, { tokenizer, rows: 1 });
  const [{ example, position, token, text, context }] = response.rows;
  assertEquals(token, test.find(({ id }) => id === example)!.prompt[position]);
  assertEquals(text, tokenizer.tokenText(token));
  assert(context!.endsWith(text!));
  const notes = (await task.requests("train", { limit: 4 })).map((request) => request.context).join("\n");
  const windows = cutText(notes, tokenizer, { windowTokens: 32, name: "notes" });
  const { texts: [{ perplexities: [unpruned, pruned] }] } = await measureDamage(
    engine,
    { texts: [windows] },
    interventions,
  );
  assert(Number.isFinite(unpruned.perToken) && unpruned.perToken > 1 && unpruned.perToken < 462);
  assert(unpruned.logLikelihood !== pruned.logLikelihood);
});
