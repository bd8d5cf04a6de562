/**
 * Both engines on the demo model against lm-evaluation-harness: log-likelihoods and metrics
 * (`lm_eval_scores/record.py`), also where prompts are cut because they are too long.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { evaluate } from "../../src/method/evaluate.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { openTestEngine } from "../support/webgpu_engine.ts";

interface Recorded {
  /** Values and, with `_stderr`, standard errors. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly rows: readonly { readonly logProbs: readonly number[]; readonly alone: readonly number[] }[];
}

const folder = new URL("lm_eval_scores/", import.meta.url);
const expected: Record<string, Recorded> = JSON.parse(await readFile(new URL("expected.json", folder), "utf8"));
assert(Object.keys(expected).length >= 4, "the recorded tasks are missing");

const model = new URL("../../examples/demo/model", import.meta.url).pathname;
const checkpoint = await openCheckpoint(model);
const tokenizer = await loadTokenizer(model);
const engines: readonly (readonly [string, Engine])[] = [
  ["reference", await createReferenceEngine(checkpoint)],
  ["WebGPU", await openTestEngine(checkpoint)],
];

/** The harness computes in float32: it is up to 1.4e-5 away from the reference engine. */
const tolerance = 5e-5;

for (const [name, { metrics, rows }] of Object.entries(expected)) {
  for (const [kind, engine] of engines) {
    Deno.test(`evaluate() on the ${kind} engine equals lm-evaluation-harness when the task is ${name}`, async () => {
      const [file, length] = name.split(" ");
      const cut = length === undefined ? {} : { maxTokens: Number(length), truncate: true };
      const task = await loadTask(new URL(`${file}.yaml`, folder), { tokenizer, ...cut });
      const examples = await task.examples(task.evaluationSplit);
      assertEquals(examples.length, rows.length);
      const isCut = examples.map(({ cutTokens }) => cutTokens !== undefined);
      assertEquals(isCut.includes(true), length !== undefined);
      const alone = examples.flatMap(({ unconditional, ...example }) =>
        unconditional ? [{ ...example, ...unconditional }] : []
      );
      const [aloneLogProbs] = await engine.choiceLogProbs(alone, [[]]);
      const { furtherMetrics } = task;
      const [{ logProbs, scores, further }] = await evaluate(engine, examples, { furtherMetrics });
      rows.forEach((row, i) => {
        row.logProbs.forEach((value, choice) => assertAlmostEquals(logProbs[i][choice], value, tolerance));
        row.alone.forEach((value, choice) => assertAlmostEquals(aloneLogProbs[i][choice], value, tolerance));
      });
      const actual = new Map<string, number>();
      for (const { metric, accuracy, standardError } of task.metrics.map((metric) => scores[metric])) {
        actual.set(metric, accuracy).set(`${metric}_stderr`, standardError);
      }
      for (const { metric, value, standardError } of further) {
        actual.set(metric, value).set(`${metric}_stderr`, standardError);
      }
      assertEquals([...actual.keys()].toSorted(), Object.keys(metrics).toSorted());
      for (const [metric, value] of Object.entries(metrics)) {
        // The harness resamples for these two as well, with other random numbers.
        const isResampled = metric === "f1_stderr" || metric === "mcc_stderr";
        assertAlmostEquals(actual.get(metric)!, value, isResampled ? 0.1 * value : 1e-12, metric);
      }
    });
  }
}
