/** The bench's own device: dispatches timed one by one, with the work they do counted. */
import { createOpContext } from "../src/engine/webgpu.ts";
import { type Gpu, openGpu } from "../src/gpu/device.ts";
import { Memory } from "../src/gpu/memory.ts";
import { Profiler } from "../src/gpu/profiler.ts";
import type { Binding } from "../src/gpu/recorder.ts";
import type { OpContext } from "../src/ops/context.ts";

/** What some dispatches do. */
export interface Work {
  /** Floating-point operations, as the ops count them. */
  readonly flops: number;
  /** Bytes of all buffers bound, each counted once a dispatch; textures are not counted. */
  readonly bytes: number;
}

/** A device with a clock. */
export class BenchDevice {
  readonly context: OpContext;
  /** `timestamps` of the GPU, or the `wall` clock where the adapter has none. */
  readonly clock: "timestamps" | "wall";
  readonly #profiler: Profiler | undefined;
  #bytes = 0;

  private constructor(context: OpContext, profiler: Profiler | undefined) {
    this.context = context;
    this.#profiler = profiler;
    this.clock = profiler ? "timestamps" : "wall";
    const { recorder } = context;
    const dispatch = recorder.dispatch.bind(recorder);
    recorder.dispatch = (kernel, bindings, ...rest) => {
      this.#bytes += boundBytes(bindings);
      dispatch(kernel, bindings, ...rest);
    };
  }

  /** @throws {NoAdapterError} If there is no WebGPU adapter. */
  static async open(): Promise<BenchDevice> {
    const gpu: Gpu = await openGpu();
    const memory = new Memory(gpu);
    const profiler = gpu.hasTimestamps ? new Profiler(memory) : undefined;
    await profiler?.open();
    return new BenchDevice(await createOpContext(gpu, memory, profiler), profiler);
  }

  /** What `record` records; nothing is run. */
  measure(record: () => void): Work {
    const { recorder } = this.context;
    const [flops, bytes] = [recorder.flops, this.#bytes];
    record();
    const work = { flops: recorder.flops - flops, bytes: this.#bytes - bytes };
    recorder.discard();
    return work;
  }

  /** Runs what `record` records `repeats` times; resolves to the seconds of one time. */
  async time(record: () => void, repeats = 1): Promise<number> {
    const { recorder } = this.context;
    await this.#profiler?.take();
    const start = performance.now();
    for (let i = 0; i < repeats; i++) record();
    await recorder.drain();
    const wall = (performance.now() - start) / 1e3;
    const samples = await this.#profiler?.take();
    const seconds = samples ? samples.reduce((sum, sample) => sum + sample.seconds, 0) : wall;
    return seconds / repeats;
  }

  /** Repeats that make one sample long enough to be timed well, and short enough to stay responsive. */
  async repeatsFor(record: () => void): Promise<number> {
    const target = this.#profiler ? 0.005 : 0.25;
    const seconds = await this.time(record);
    return Math.max(1, Math.min(64, Math.ceil(target / Math.max(seconds, 1e-9))));
  }

  close(): void {
    this.context.memory.releaseAll();
    this.context.gpu.close();
  }
}

function boundBytes(bindings: readonly Binding[]): number {
  const sizes = new Map<Binding, number>();
  for (const binding of bindings) if ("size" in binding) sizes.set(binding, binding.size);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
