/** How weights get to the GPU: in pieces, with bounded host memory, and what happens when that fails. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { parseConfig } from "../../src/checkpoint/config.ts";
import type { WeightRef } from "../../src/checkpoint/model_config.ts";
import { createOpContext } from "../../src/engine/webgpu.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { Memory } from "../../src/gpu/memory.ts";
import { uploadWeights } from "../../src/model/weights.ts";
import type { OpContext } from "../../src/ops/context.ts";
import { rowBytes, type WeightMatrix } from "../../src/ops/weight_matrix.ts";
import { testDevice } from "../support/webgpu_engine.ts";

/** So many rows of 64 bytes that the head is more than the queue may hold. */
const shape = { vocabulary: 1_100_000, width: 32, neurons: 140_000, layers: 3 };

/** A model whose every weight is made of its place: nothing of it is kept. */
class MadeUpCheckpoint implements Checkpoint {
  readonly location = "made up";
  readonly config;
  readonly tensors = new Map();
  /** Bytes asked for and not yet delivered. */
  pending = 0;
  largestPending = 0;
  failsAt: WeightRef | null = null;

  constructor() {
    this.config = parseConfig(JSON.stringify({
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      hidden_act: "silu",
      hidden_size: shape.width,
      intermediate_size: shape.neurons,
      num_hidden_layers: shape.layers,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 16,
      vocab_size: shape.vocabulary,
      max_position_embeddings: 64,
      tie_word_embeddings: true,
    })).config;
  }

  typeOf() {
    return "BF16" as const;
  }

  async readRows(ref: WeightRef, rowStart: number, rowCount: number, target: Uint8Array): Promise<void> {
    this.pending += target.byteLength;
    this.largestPending = Math.max(this.largestPending, this.pending);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.pending -= target.byteLength;
    if (ref === this.failsAt) throw new Deno.errors.InvalidData("unreadable");
    const halves = new Uint16Array(target.buffer, target.byteOffset, target.byteLength / 2);
    const first = rowStart * ref.columns;
    for (let i = 0; i < halves.length; i++) halves[i] = weightAt(ref, first + i);
    assertEquals(halves.length, rowCount * ref.columns);
  }

  readF32(ref: WeightRef) {
    return Promise.resolve(new Float32Array(ref.rows * ref.columns).fill(1));
  }

  async close() {}
}

/** The bits of the weight at an index of a tensor. */
function weightAt(ref: WeightRef, index: number): number {
  return (index * 40503 + ref.name.length * 977 + ref.name.charCodeAt(13) * 13) & 0xffff;
}

async function openContext(): Promise<OpContext> {
  const gpu = await openGpu({ device: await testDevice() });
  return await createOpContext(gpu, new Memory(gpu));
}

/** One row of a matrix as it lies on the GPU, in the form of the `tile` kernels. */
async function readRow(context: OpContext, matrix: WeightMatrix, row: number): Promise<Uint16Array> {
  const part = matrix.parts.find(({ rowStart, rows }) => row >= rowStart && row < rowStart + rows)!;
  const size = rowBytes(matrix);
  const slice = { buffer: part.storage as GPUBuffer, offset: (row - part.rowStart) * size, size };
  const [bytes] = await context.recorder.read([slice]);
  return new Uint16Array(bytes);
}

async function assertRow(context: OpContext, matrix: WeightMatrix, ref: WeightRef, row: number, from = 0) {
  const expected = Uint16Array.from({ length: ref.columns }, (_, i) => weightAt(ref, row * ref.columns + i));
  assertEquals(await readRow(context, matrix, from + row), expected, `row ${row} of ${ref.name}`);
}

const checkpoint = new MadeUpCheckpoint();
const { config } = checkpoint;

Deno.test("uploadWeights() puts every row where it belongs when a matrix takes many pieces", async () => {
  const context = await openContext();
  const progress: [number, number][] = [];
  const weights = await uploadWeights(context, checkpoint, { onProgress: (...step) => progress.push(step) });
  assertEquals([weights.residency, progress[0][0], progress.at(-1)], ["resident", 0, [weights.bytes, weights.bytes]]);
  assert(progress.every(([done, total], i) => total === weights.bytes && (i === 0 || done >= progress[i - 1][0])));
  // 64 bytes a row: pieces of 262,144 rows.
  for (const row of [0, 262_143, 262_144, 1_048_575, 1_048_576, shape.vocabulary - 1]) {
    await assertRow(context, weights.head, config.head, row);
  }
  for (let layer = 0; layer < shape.layers; layer++) {
    const { kv, gate, down } = await weights.layer(layer);
    const refs = config.layerWeights[layer];
    await assertRow(context, kv, refs.k, 15);
    await assertRow(context, kv, refs.v, 0, refs.k.rows);
    await assertRow(context, gate, refs.gate, shape.neurons - 1);
    await assertRow(context, down, refs.down, shape.width - 1);
  }
  // Never more than the piece that is written and the next one.
  assert(checkpoint.largestPending <= 2 * 16 * 2 ** 20, `${checkpoint.largestPending}`);
  context.memory.releaseAll();
});

Deno.test("uploadWeights() streams layers in any order, and works on after a failed read", async () => {
  const context = await openContext();
  const { bytes } = await uploadWeights(context, checkpoint);
  context.memory.releaseAll();
  const streaming = await openContext();
  const steps: number[] = [];
  const onProgress = (done: number) => steps.push(done);
  const weights = await uploadWeights(streaming, checkpoint, { weightBudgetBytes: bytes - 1, onProgress });
  assertEquals(weights.residency, "streamed");
  const loaded = steps.length;
  const check = async (layer: number, next?: number) => {
    const { gate, q } = await weights.layer(layer, next);
    await assertRow(streaming, gate, config.layerWeights[layer].gate, 1 + layer);
    await assertRow(streaming, q, config.layerWeights[layer].q, 2);
  };
  await check(0, 1);
  await check(1, 2);
  await check(2, 0);
  // What was read ahead is not what comes, and then not wanted any more.
  await check(1);
  checkpoint.failsAt = config.layerWeights[2].up;
  await check(1, 2);
  // Once read ahead, once when its turn comes.
  for (let i = 0; i < 2; i++) {
    await assertRejects(() => weights.layer(2), Deno.errors.InvalidData, "unreadable");
  }
  checkpoint.failsAt = null;
  await check(2, 0);
  await check(0);
  assertEquals(steps.length, loaded, "streaming was reported as loading");
  streaming.memory.releaseAll();
});

Deno.test("uploadWeights() rejects with the signal's reason when it is aborted between pieces", async () => {
  const context = await openContext();
  const controller = new AbortController();
  const onProgress = (done: number, total: number) => {
    if (done > total / 2) controller.abort(new RangeError("enough"));
  };
  await assertRejects(
    () => uploadWeights(context, checkpoint, { signal: controller.signal, onProgress }),
    RangeError,
    "enough",
  );
  context.memory.releaseAll();
});
