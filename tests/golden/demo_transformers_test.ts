/** Both engines on the demo model against Hugging Face transformers in float64 (`examples/demo/train.py --golden`). */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { openTestEngine } from "../support/webgpu_engine.ts";
import recorded from "./demo_transformers.json" with { type: "json" };

const model = new URL("../../examples/demo/model", import.meta.url).pathname;
const checkpoint = await openCheckpoint(model);
const task = await loadTask(new URL("../../examples/demo/task/demo.yaml", import.meta.url).pathname, {
  tokenizer: await loadTokenizer(model),
});
const examples = await task.examples("test", { limit: recorded.rows.length });

Deno.test("examples() gives the token ids that transformers gives on the demo task", () => {
  assertEquals(
    examples.map(({ id, prompt, choices, gold }) => ({
      id,
      prompt: [...prompt],
      choices: choices.map((c) => [...c]),
      gold,
    })),
    recorded.rows.map(({ id, prompt_tokens, choice_tokens, gold }) => ({
      id,
      prompt: prompt_tokens,
      choices: choice_tokens,
      gold,
    })),
  );
});

const engines: readonly [string, () => Promise<Engine>, number][] = [
  // The JSON holds float64 numbers of a float32 checkpoint; transformers rounds rotary angles to float32.
  ["reference", () => createReferenceEngine(checkpoint), 2e-6],
  ["webgpu", () => openTestEngine(checkpoint), 2e-5],
];

for (const [name, open, tolerance] of engines) {
  Deno.test(`the ${name} engine agrees with transformers on the demo model`, async () => {
    const engine = await open();
    try {
      const [logits] = await engine.logits(examples, [[]]);
      const [logProbs] = await engine.choiceLogProbs(examples, [[]]);
      recorded.rows.forEach((row, i) => {
        assertEquals(logits[i].indexOf(Math.max(...logits[i])), row.argmax_token);
        assertAlmostEquals(Math.max(...logits[i]), row.max_logit, tolerance * Math.abs(row.max_logit));
        row.choice_log_probs.forEach((expected, choice) => {
          assertAlmostEquals(logProbs[i][choice], expected, tolerance * Math.max(1, Math.abs(expected)));
        });
      });
    } finally {
      await engine.close();
    }
  });
}
