/** Times each dispatch with timestamp queries, summed by kernel name. Used by the bench, never by default. */
import { type Memory, READBACK_USAGE } from "./memory.ts";

/** Timestamp pairs of one query set. */
const CAPACITY = 2048;

/** Collects GPU seconds by kernel. */
export class Profiler {
  readonly #memory: Memory;
  readonly #queries: GPUQuerySet;
  #resolved: GPUBuffer | undefined;
  #names: string[] = [];
  #resolvedCount = 0;

  /** @throws {TypeError} If the device cannot write timestamps. */
  constructor(memory: Memory) {
    if (!memory.gpu.hasTimestamps) throw new TypeError("Cannot profile kernels: this device has no timestamp queries");
    this.#memory = memory;
    this.#queries = memory.gpu.device.createQuerySet({ type: "timestamp", count: CAPACITY });
  }

  async open(): Promise<void> {
    this.#resolved ??= await this.#memory.allocate("timestamps", CAPACITY * 8, 0x200 | 0x4); // QUERY_RESOLVE | COPY_SRC
  }

  /** Timestamp slots for one pass; undefined once the query set is full. */
  begin(name: string): GPUComputePassTimestampWrites | undefined {
    if (this.#names.length * 2 >= CAPACITY) return undefined;
    const first = this.#names.length * 2;
    this.#names.push(name);
    return { querySet: this.#queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  resolve(encoder: GPUCommandEncoder): void {
    const count = this.#names.length * 2 - this.#resolvedCount;
    if (count === 0) return;
    // Resolve offsets are multiples of 256 bytes, so the whole range is resolved again each time.
    encoder.resolveQuerySet(this.#queries, 0, this.#names.length * 2, this.#resolved!, 0);
    this.#resolvedCount = this.#names.length * 2;
  }

  /** Seconds and dispatches by kernel name since the last call; starts anew. */
  async take(): Promise<{ name: string; seconds: number }[]> {
    const { device } = this.#memory.gpu;
    const bytes = this.#names.length * 16;
    if (bytes === 0) return [];
    const staging = await this.#memory.allocate("timestamp readback", bytes, READBACK_USAGE);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.#resolved!, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(0x1);
    const times = new BigUint64Array(staging.getMappedRange().slice(0));
    staging.unmap();
    this.#memory.release(staging);
    const samples = this.#names.map((name, index) => ({
      name,
      seconds: Number(times[2 * index + 1] - times[2 * index]) * 1e-9,
    }));
    this.#names = [];
    this.#resolvedCount = 0;
    return samples;
  }

  /** Destroys what the profiler holds on the device. */
  close(): void {
    if (this.#resolved) this.#memory.release(this.#resolved);
    this.#queries.destroy();
  }
}
