/// <reference types="@webgpu/types" />
/**
 * One job on many machines: its shards, the partial files they write, merging, and how long a cluster takes.
 *
 * Scoring and search divide into shards: processes that know nothing of each other. Merged, they are to the bit what
 * one process finds. `docs/cluster.md` has the same on the command line, with schedulers.
 *
 * @example Score in two shards, and merge them
 * ```ts
 * import { loadTask, loadTokenizer, openCheckpoint, openEngine } from "@secateur/secateur";
 * import { mergeScores, type Partial, scoreShard } from "@secateur/secateur/shards";
 *
 * const tokenizer = await loadTokenizer("examples/demo/model");
 * const task = await loadTask("examples/demo/task/demo.yaml", { tokenizer });
 * const examples = await task.sample("adaptation", { count: 2, seed: 0 });
 *
 * const checkpoint = await openCheckpoint("examples/demo/model");
 * const engine = await openEngine(checkpoint, { batchInvariant: true });
 * const { family, layers, width, neurons } = engine.config;
 * const partials: Partial[] = [];
 * for (const shard of [{ index: 1, count: 2 }, { index: 2, count: 2 }]) {
 *   partials.push({
 *     ...await scoreShard(engine, examples, shard),
 *     step: "score",
 *     shard,
 *     inputs: { model: "demo", examples: "adaptation", scores: "" },
 *     provenance: { model: "demo", task: task.name, versions: {} },
 *     model: { family, layers, width, neurons },
 *     engine: engine.info.kind,
 *     arguments: [],
 *     file: "",
 *   });
 * }
 * console.log(mergeScores(partials).scores.scored);
 * await engine.close();
 * await checkpoint.close();
 * ```
 *
 * On machines of their own, each calls `writePartial` and the last one `readPartial`; `parseShard` reads which shard a
 * process is from the environment of its scheduler.
 *
 * @module
 */

export { mergeScores, scoreShard } from "./src/method/shard_score.ts";
export { mergeSearch, searchShard } from "./src/method/shard_search.ts";
export { missingUnits, partialName, readPartial, writePartial } from "./src/method/partial_file.ts";
export { parseShard } from "./src/method/shard.ts";
export { capacityModel, predictCapacity } from "./src/method/capacity.ts";

export type { ScoreShard } from "./src/method/shard_score.ts";
export type { SearchShard } from "./src/method/shard_search.ts";
export type {
  Capacity,
  CapacityJob,
  CapacityLosses,
  CapacityModel,
  CapacityShape,
  CapacityStep,
  Cluster,
} from "./src/method/capacity.ts";
export type { Shard } from "./src/method/shard.ts";
export type {
  Partial,
  PartialDescription,
  PartialHeader,
  PartialInputs,
  PartialStep,
} from "./src/method/partial_file.ts";
