/** `secateur prune`, killed at random moments: either no copy, or a complete one, and never a trace in the source. */
import { assert, assertEquals } from "@std/assert";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers } from "../../src/checkpoint/atomic_file.ts";
import { fingerprintWeights } from "../../src/checkpoint/digest.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { writePlan } from "../../src/method/files.ts";
import { createPlan } from "../../src/method/plan.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { writeGeneratedCheckpoint } from "../models/generated_checkpoint.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState } from "./folder_state.ts";
import { killOnce, succeed, watchFolder } from "./kills.ts";

const kills = 20;

/** 20 MB in three files, so that a kill finds some of them written. */
const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_act: "silu",
  hidden_size: 256,
  intermediate_size: 3072,
  max_position_embeddings: 512,
  num_attention_heads: 4,
  num_hidden_layers: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  vocab_size: 272,
};

Deno.test("secateur prune leaves no copy or a complete one when it is killed at 20 random moments", async () => {
  await withFolder({}, async (folder) => {
    const [model, planFile] = [join(folder, "model"), join(folder, "plan.json")];
    await writeGeneratedCheckpoint(model, { config, shards: 3, seed: 1 });
    const checkpoint = await openCheckpoint(model);
    const masks = [{ layer: 2, site: "gate" as const, neurons: Uint32Array.of(3, 5, 3071), fraction: null }];
    const weights = await fingerprintWeights(checkpoint);
    await writePlan(planFile, { ...createPlan(checkpoint.config, masks), weights });
    const shard = checkpoint.tensors.get(checkpoint.config.layerWeights[2].gate.name)!.file;
    await checkpoint.close();
    const source = await folderState(model);
    const prune = (out: string) => ["prune", "--model", model, "--plan", planFile, "--out", out];

    const undisturbed = join(folder, "undisturbed");
    await mkdir(undisturbed);
    let changes = 0;
    const stop = watchFolder(undisturbed, () => changes++);
    const started = performance.now();
    await succeed(prune(join(undisturbed, "pruned")));
    const duration = performance.now() - started;
    stop();
    const expected = await folderState(undisturbed);
    const changed = Object.keys(source).filter((name) => expected[`pruned/${name}`] !== source[name]);
    assertEquals(changed, [shard]);
    assertEquals(Object.keys(expected), Object.keys(source).map((name) => `pruned/${name}`));

    const random = createRandom(7);
    const tally = { killed: 0, absent: 0, midway: 0 };
    for (let i = 0; i < kills; i++) {
      const out = join(folder, `out ${i}`);
      await mkdir(out);
      const moment = i % 2 === 0
        ? { after: random.nextFloat() * duration }
        : { changes: 1 + random.nextBelow(Math.max(1, changes)) };
      const ended = await killOnce(prune(join(out, "pruned")), out, moment);
      const left = await folderState(out);
      const isAbsent = Object.keys(left).length === 0 && !(await readdir(out)).includes("pruned");
      assert(!ended || !isAbsent, `run ${i} ended by itself without a copy`);
      // Compared as a whole: strings of megabytes make no readable difference.
      if (!isAbsent) assert(isSame(left, expected), `run ${i}, killed ${JSON.stringify(moment)}, left part of a copy`);
      const leftovers = await removeLeftovers(out);
      if (!ended) tally.killed++;
      if (isAbsent) tally.absent++;
      if (leftovers.length > 0) tally.midway++;
      await rm(out, { recursive: true });
    }
    assert(isSame(await folderState(model), source), "the source has changed");
    assert(tally.killed > 0 && tally.absent > 0 && tally.midway > 0, JSON.stringify(tally));
  });
});

/** Whether two folders have the same files with the same bytes. */
function isSame(actual: Readonly<Record<string, string>>, expected: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(expected);
  return Object.keys(actual).length === names.length && names.every((name) => actual[name] === expected[name]);
}
