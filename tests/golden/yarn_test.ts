/** YaRN against transformers: frequencies and attention factors by the field, and the logits of a golden checkpoint. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { parseConfig } from "../../src/checkpoint/config.ts";
import { openCheckpointFrom } from "../../src/checkpoint/open_from.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { type GoldenName, loadGolden } from "../support/golden.ts";
import { goldenExamples } from "../support/golden_contract.ts";
import { assertClose } from "../support/relative_error.ts";
import { openTestEngine, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";
import recorded from "./yarn/expected.json" with { type: "json" };

/** transformers computes frequencies and angles in float32. */
const FLOAT32 = 2e-6;

for (const { inverse_frequencies, attention_factor, ...fields } of recorded.cases) {
  const { family, head_dim, max_position_embeddings, rope_parameters } = fields;
  const described = Object.entries(rope_parameters).slice(1).map(([name, value]) => `${name} ${value}`).join(", ");
  Deno.test(`parseConfig() computes YaRN as transformers does for ${family} with heads of ${head_dim}, ${described}`, () => {
    const { config: { rope, maxPositions } } = parseConfig(JSON.stringify({
      model_type: family,
      vocab_size: 10,
      hidden_size: 4 * head_dim,
      intermediate_size: 10,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 4,
      head_dim,
      max_position_embeddings,
      rope_parameters,
    }));
    assertEquals(rope.inverseFrequencies.length, inverse_frequencies.length);
    inverse_frequencies.forEach((expected, i) => {
      assertAlmostEquals(rope.inverseFrequencies[i] / expected, 1, FLOAT32, `pair ${i}`);
    });
    assertAlmostEquals(rope.attentionFactor, attention_factor, 1e-14);
    assertEquals(maxPositions, max_position_embeddings);
  });
}

Deno.test("logits() equal those of transformers on both engines when a golden checkpoint is stretched by YaRN", async () => {
  const { name, rope_parameters, logits_last } = recorded.golden;
  const golden = await loadGolden(name as GoldenName);
  const weights = "model.safetensors";
  const config = JSON.parse(await readFile(`${golden.folder}/config.v5.json`, "utf8"));
  const checkpoint = await openCheckpointFrom({
    location: golden.folder,
    config: JSON.stringify({ ...config, rope_parameters }),
    files: new Map([[weights, await openFileSource(`${golden.folder}/${weights}`)]]),
  });
  const examples = goldenExamples(golden);
  const engines = [
    { engine: await createReferenceEngine(checkpoint), tolerance: FLOAT32 },
    { engine: await openTestEngine(checkpoint), tolerance: WEBGPU_TOLERANCE.logits },
  ];
  for (const { engine, tolerance } of engines) {
    const [logits] = await engine.logits(examples, [[]]);
    logits.forEach((row, i) => assertClose(row, logits_last[i], tolerance, `logits of prompt ${i}`));
  }
  await checkpoint.close();
});
