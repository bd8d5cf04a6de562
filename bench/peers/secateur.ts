/** Secateur's own product behind the same interface as the peers', on any device. */
import { createOpContext } from "../../src/engine/webgpu.ts";
import { openGpu, type OpenGpuOptions } from "../../src/gpu/device.ts";
import { Memory } from "../../src/gpu/memory.ts";
import { chooseKernelVariant, chooseTiling } from "../../src/ops/kernel_trial.ts";
import { matmul, matmulBackward } from "../../src/ops/matmul.ts";
import { createWeightMatrix, releaseWeightMatrix, writeWeightRows } from "../../src/ops/weight_matrix.ts";
import type { Peer } from "./protocol.ts";

/** Secateur as a peer that can be closed. */
export interface OwnPeer extends Peer {
  /** Which kernels it chose. */
  readonly variant: string;
  /** Releases the device. */
  close(): Promise<void>;
}

/** Opens a device and chooses the kernels as the engine does. Sizes must be multiples of 8. */
export async function openSecateur(options: OpenGpuOptions = {}): Promise<OwnPeer> {
  const gpu = await openGpu(options);
  const context = await createOpContext(gpu, new Memory(gpu));
  context.variant = await chooseKernelVariant(context);
  context.manyRows = await chooseTiling(context);
  const { memory, recorder } = context;
  return {
    version: context.variant,
    variant: context.variant,
    adapter: gpu.adapter,
    close() {
      memory.releaseAll();
      gpu.close();
      return Promise.resolve();
    },
    async prepare({ T, K, N, layout }, xValues, wValues) {
      const nt = layout === "nt";
      const [rows, columns] = nt ? [N, K] : [K, N];
      const x = { buffer: await memory.allocate("x", T * K * 4), stride: K };
      const y = { buffer: await memory.allocate("y", T * N * 4), stride: N };
      gpu.device.queue.writeBuffer(x.buffer, 0, xValues);
      const w = await createWeightMatrix(context, { name: "w", type: "F32", rows, columns });
      writeWeightRows(context, w, 0, new Uint8Array(wValues.buffer));
      const multiply = () => (nt ? matmul : matmulBackward)(context, x, w, y, { rows: T });
      return {
        async run(repeats) {
          for (let i = 0; i < repeats; i++) multiply();
          await recorder.drain();
        },
        async read() {
          multiply();
          const [bytes] = await recorder.read([{ buffer: y.buffer, offset: 0, size: T * N * 4 }]);
          return new Float32Array(bytes);
        },
        release() {
          memory.release(x.buffer);
          memory.release(y.buffer);
          releaseWeightMatrix(context, w);
          recorder.forgetBindGroups();
        },
      };
    },
  };
}
