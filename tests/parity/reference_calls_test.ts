/**
 * How calls of the reference engine behave: progress, abortion, and what every engine does with calls it cannot carry
 * out.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { CALLED_MODEL, CALLS, testCalls } from "../support/calls_contract.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const checkpoint = await makeTinyCheckpoint(CALLED_MODEL);
const engine = await createReferenceEngine(checkpoint);
const examples = makeTinyExamples(engine.config, { choiceTokens: [1, 2] });

await testCalls(() => createReferenceEngine(checkpoint));

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}() reports progress from 0 to the total when it runs to the end`, async () => {
    const reports: Progress[] = [];
    await call(engine, { onProgress: (progress) => reports.push(progress) });
    const { total } = reports[0];
    assert(total > 0);
    assertEquals(reports.map(({ done }) => done), Array.from({ length: total + 1 }, (_, done) => done));
    assert(reports.every((report) => report.total === total && report.unit === reports[0].unit));
  });

  Deno.test(`${name}() rejects with the signal's reason when it is aborted during the call`, async () => {
    const reason = new RangeError("enough");
    const controller = new AbortController();
    let last = 0;
    const onProgress = ({ done }: Progress) => {
      last = done;
      if (done === 1) controller.abort(reason);
    };
    await assertRejects(() => call(engine, { signal: controller.signal, onProgress }), RangeError, "enough");
    assertEquals(last, 1);
  });
}

Deno.test("attribute() lets a timer abort it when one pair takes long", async () => {
  const controller = new AbortController();
  const start = performance.now();
  setTimeout(() => controller.abort(new RangeError("timer")), 50);
  const pairs = [{ example: 1, layer: 0 }];
  const endless = { nodes: new Float64Array(1e6), weights: new Float64Array(1e6) };
  await assertRejects(
    () => engine.attribute(examples, { rule: endless, pairs, signal: controller.signal }),
    RangeError,
    "timer",
  );
  assert(performance.now() - start < 5000, "the abortion took seconds");
});

Deno.test("info names the float64 reference", () => {
  assertEquals([engine.info.kind, engine.info.adapter], ["reference", "float64 reference"]);
});
