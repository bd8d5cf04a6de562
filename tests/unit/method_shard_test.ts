/** Shards of scoring and search: merged in any order, for any number of them, they are what one process finds. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import { encodeScores } from "../../src/method/scores_file.ts";
import { serialiseGrid } from "../../src/method/grid_file.ts";
import {
  checkPartials,
  missingUnits,
  type Partial,
  partialName,
  readPartial,
  writePartial,
} from "../../src/method/partial_file.ts";
import { scoreNeurons, type ScoreOptions } from "../../src/method/score.ts";
import { searchGrid } from "../../src/method/search.ts";
import { divideUnits, parseShard, pathCost } from "../../src/method/shard.ts";
import { mergeScores, scoreShard } from "../../src/method/shard_score.ts";
import { mergeSearch, searchShard } from "../../src/method/shard_search.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

const examples = toyExamples(5);
const provenance = { model: "toy", task: "toy", versions: { secateur: "0" } };
const options: ScoreOptions = { initialNodes: 2, maxNodes: 16, tolerance: 1e-5 };

function toy(): Engine {
  return new ToyEngine({
    layers: 4,
    neurons: 12,
    gate: (number, layer, neuron) => 1 + number + layer - neuron / 3,
    effect: (layer, neuron) => Math.sin(1 + layer * 12 + neuron),
    logProbs: (number, pruned) => [pruned(number % 4, 3) ? -0.25 : -1, pruned(1, number) ? -1.5 : -0.5],
  });
}

/** A partial as it is read back. */
function whole(part: Pick<Partial, "arrays" | "more" | "settings" | "unitCount" | "units">, engine: Engine, rest: {
  readonly step: Partial["step"];
  readonly index: number;
  readonly count: number;
}): Partial {
  const { family, layers, width, neurons } = engine.config;
  return {
    ...part,
    step: rest.step,
    shard: { index: rest.index, count: rest.count },
    inputs: { model: "m", examples: "e", scores: rest.step === "search" ? "s" : "" },
    provenance,
    model: { family, layers, width, neurons },
    engine: "toy",
    arguments: [rest.step],
    file: partialName(rest.step, rest),
  };
}

async function scoringParts(count: number): Promise<Partial[]> {
  const parts: Partial[] = [];
  for (let index = 1; index <= count; index++) {
    const engine = toy();
    parts.push(
      whole(await scoreShard(engine, examples, { index, count }, options), engine, { step: "score", index, count }),
    );
  }
  return parts;
}

const bytesOf = (pieces: readonly Uint8Array[]) => pieces.map((piece) => [...piece]);

Deno.test("mergeScores() gives the bytes of one process for 1 to 7 shards in any order", async () => {
  const engine = toy();
  const expected = bytesOf(encodeScores(await scoreNeurons(engine, examples, options), provenance));
  for (let count = 1; count <= 7; count++) {
    const parts = await scoringParts(count);
    const seeds = fc.sample(fc.integer({ min: 0 }), { numRuns: 3, seed: count });
    for (const seed of seeds) {
      const shuffled =
        fc.sample(fc.shuffledSubarray(parts, { minLength: count, maxLength: count }), { numRuns: 1, seed })[0];
      assertEquals(bytesOf(encodeScores(mergeScores(shuffled), provenance)), expected, `${count} shards`);
    }
  }
});

Deno.test("mergeScores() gives the bytes of one process on the joint path", async () => {
  const joint: ScoreOptions = { ...options, path: "joint" };
  const expected = bytesOf(encodeScores(await scoreNeurons(toy(), examples, joint), provenance));
  const parts = await Promise.all([1, 2, 3].map(async (index) => {
    const engine = toy();
    return whole(await scoreShard(engine, examples, { index, count: 3 }, joint), engine, {
      step: "score",
      index,
      count: 3,
    });
  }));
  assertEquals(bytesOf(encodeScores(mergeScores(parts), provenance)), expected);
});

Deno.test("mergeSearch() gives the bytes of one process for 1 to 7 shards in any order", async () => {
  const engine = toy();
  const { scores } = await scoreNeurons(engine, examples, options);
  const expected = serialiseGrid(await searchGrid(engine, examples, scores), provenance);
  for (let count = 1; count <= 7; count++) {
    const parts: Partial[] = [];
    for (let index = 1; index <= count; index++) {
      const part = await searchShard(toy(), examples, scores, { index, count });
      parts.push(whole(part, engine, { step: "search", index, count }));
    }
    for (const order of [parts, parts.toReversed()]) {
      assertEquals(serialiseGrid(mergeSearch(order, scores), provenance), expected, `${count} shards`);
    }
  }
});

Deno.test("partials come back as they were written, and say what is wrong when they are damaged, foreign, doubled or missing", async () => {
  await withFolder({}, async (folder) => {
    const parts = await scoringParts(3);
    const files: string[] = [];
    for (const part of parts) {
      const path = join(folder, part.file);
      await writePartial(path, part);
      files.push(path);
    }
    const read = await Promise.all(files.map(readPartial));
    assertEquals(read, parts.map((part, index) => ({ ...part, file: files[index] })));
    checkPartials(read);

    const bytes = await readFile(files[0]);
    const damaged = join(folder, "damaged.safetensors");
    for (const cut of [10, Math.floor(bytes.length / 2), bytes.length - 1]) {
      await writeFile(damaged, bytes.subarray(0, cut));
      await assertRejects(() => readPartial(damaged), Error, "damaged.safetensors");
    }
    const flipped = bytes.slice();
    flipped[flipped.length - 3] ^= 1;
    await writeFile(damaged, flipped);
    await assertRejects(() => readPartial(damaged), SyntaxError, "not what was written");

    // What it says of itself is covered as well: one digit of a field, as long as before.
    const relabelled = new TextDecoder("latin1").decode(bytes).replace('nodesUsed\\":', 'nodesUsed\\":1');
    const [text, length] = [Uint8Array.from(relabelled, (c) => c.charCodeAt(0)), new DataView(bytes.buffer)];
    new DataView(text.buffer).setBigUint64(0, length.getBigUint64(bytes.byteOffset, true) + 1n, true);
    assertEquals(text.length, bytes.length + 1);
    await writeFile(damaged, text);
    await assertRejects(() => readPartial(damaged), SyntaxError, "not what was written");

    assertThrows(() => checkPartials([]), RangeError, "0 partials");
    assertThrows(() => checkPartials([read[0], read[1], read[0]]), RangeError, "both have unit");
    const foreign: [string, Partial][] = [
      ["digest of the model", { ...read[1], inputs: { ...read[1].inputs, model: "other" } }],
      ["digest of the examples", { ...read[1], inputs: { ...read[1].inputs, examples: "other" } }],
      ["settings", { ...read[1], settings: { nodes: 3 } }],
      ["provenance", { ...read[1], provenance: { ...provenance, task: "other" } }],
      ["step", { ...read[1], step: "search" }],
    ];
    for (const [name, other] of foreign) {
      assertThrows(() => checkPartials([read[0], other]), RangeError, `another ${name}`);
    }
    const moved = { ...read[1], more: { examples: ["another"], nodesUsed: 3 } };
    assertThrows(() => checkPartials([read[0], moved]), RangeError, "other examples");
    assertEquals(missingUnits([read[0], read[2]]), [...read[1].units]);
    assertThrows(() => mergeScores([read[0], read[2]]), RangeError, `path ${read[1].units[0]} is missing`);
  });
});

Deno.test("divideUnits() gives every unit once, and balances costs within the dearest unit", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      (costs, count) => {
        const units = divideUnits(costs, count);
        assertEquals(units.length, count);
        assertEquals(units.flat().sort((a, b) => a - b), [...costs.keys()]);
        const loads = units.map((list) => list.reduce((sum, unit) => sum + costs[unit], 0));
        assert(Math.max(...loads) - Math.min(...loads) <= Math.max(0, ...costs));
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("pathCost() is higher for lower layers, and the joint path costs as much as the lowest", () => {
  assert(pathCost(10, 0, 4, 8) > pathCost(10, 3, 4, 8));
  assertEquals(pathCost(10, null, 4, 8), pathCost(10, 0, 4, 8));
});

Deno.test("parseShard() reads I/N, and takes the place from array jobs", () => {
  const environment = (values: Record<string, string>) => (name: string) => values[name];
  const none = environment({});
  assertEquals(parseShard("2/6", none), { index: 2, count: 6 });
  const slurm = environment({ SLURM_ARRAY_TASK_ID: "5", SLURM_ARRAY_TASK_MIN: "2", SLURM_ARRAY_TASK_COUNT: "6" });
  assertEquals(parseShard("auto", slurm), { index: 4, count: 6 });
  assertEquals(parseShard("auto/6", slurm), { index: 4, count: 6 });
  const some = environment({ SLURM_ARRAY_TASK_ID: "5", SLURM_ARRAY_TASK_MIN: "2", SLURM_ARRAY_TASK_COUNT: "2" });
  assertEquals(parseShard("auto/6", some), { index: 5, count: 6 });
  assertEquals(parseShard("auto/3", environment({ JOB_COMPLETION_INDEX: "0" })), { index: 1, count: 3 });
  for (const wrong of ["0/6", "7/6", "1/0", "2", "a/b", "1/6/7", "-1/2", "1.5/2", "auto/x", "auto/0"]) {
    assertThrows(() => parseShard(wrong, slurm), RangeError);
  }
  assertThrows(() => parseShard("auto", none), RangeError, "SLURM_ARRAY_TASK_ID");
  assertThrows(
    () => parseShard("auto", environment({ JOB_COMPLETION_INDEX: "1" })),
    RangeError,
    "SLURM_ARRAY_TASK_COUNT",
  );
  assertThrows(
    () => parseShard("auto/3", environment({ JOB_COMPLETION_INDEX: "x" })),
    RangeError,
    "JOB_COMPLETION_INDEX=x",
  );
});
