/**
 * Collects dispatches and sends them in slices: one compute pass and one submit each, short enough that the program
 * stays responsive, with parameters uploaded in one write and bind groups cached.
 */
import type { Kernel } from "./kernel.ts";
import { type Memory, UNIFORM_USAGE } from "./memory.ts";
import type { Profiler } from "./profiler.ts";

/** A storage buffer, or a part of one that starts at a multiple of 256 bytes. */
export interface BufferSlice {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** What a kernel's binding takes. */
export type Binding = GPUBuffer | BufferSlice | GPUTextureView;

/** The number of workgroups in x, y and z. */
export type Grid = readonly [number, number, number];

/** One value of a kernel's parameter struct: unsigned unless marked as f32. */
export type Param = number | { readonly f32: number };

interface Dispatch {
  readonly kernel: Kernel;
  readonly group: GPUBindGroup;
  readonly paramOffset: number;
  readonly grid: Grid;
}

/** Bytes of one parameter slot: WebGPU's smallest dynamic offset. */
const SLOT_BYTES = 256;
/** Dispatches of one slice at most. */
const SLICE_DISPATCHES = 512;
/** Bind groups kept at most: waves of ever new shapes bind ever new slices of the same tables. */
const MOST_GROUPS = 4096;
/** Seconds of GPU work to aim for in one slice. */
const SLICE_SECONDS = 0.25;

/** Splits `count` workgroups over x and y; kernels rebuild the index as `y * gridX + x` and check it. */
export function linearGrid(count: number): Grid {
  const x = Math.min(Math.max(count, 1), 32768);
  return [x, Math.ceil(Math.max(count, 1) / x), 1];
}

/** Records dispatches and runs them on the queue. */
export class Recorder {
  /**
   * Asked, with every kernel that was recorded so far, before anything is handed to the host: results that it rejects
   * do not leave the device.
   */
  guard: ((kernels: ReadonlySet<Kernel>) => Promise<void>) | undefined;
  readonly #memory: Memory;
  readonly #params = new ArrayBuffer(SLOT_BYTES * SLICE_DISPATCHES);
  readonly #paramsU32 = new Uint32Array(this.#params);
  readonly #paramsF32 = new Float32Array(this.#params);
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #ids = new WeakMap<GPUBuffer | GPUTextureView, number>();
  readonly #profiler: Profiler | undefined;
  readonly #kernels = new Set<Kernel>();
  #nextId = 0;
  #uniform: GPUBuffer | undefined;
  #pending: Dispatch[] = [];
  #pendingCost = 0;
  #costPerSecond = 2e9;
  #flops = 0;

  constructor(memory: Memory, profiler?: Profiler) {
    this.#memory = memory;
    this.#profiler = profiler;
  }

  /** Floating-point operations recorded so far, as the ops count them. */
  get flops(): number {
    return this.#flops;
  }

  /** Every kernel that was recorded so far. */
  get kernels(): ReadonlySet<Kernel> {
    return this.#kernels;
  }

  /** Allocates what the recorder needs; call once before recording. */
  async open(): Promise<void> {
    this.#uniform ??= await this.#memory.allocate("parameters", SLOT_BYTES * SLICE_DISPATCHES, UNIFORM_USAGE);
  }

  /** Releases what `open()` allocated. */
  close(): void {
    if (this.#uniform) this.#memory.release(this.#uniform);
    this.#uniform = undefined;
    this.forgetBindGroups();
  }

  /**
   * Records one dispatch.
   *
   * @param bindings The storage bindings, in order from binding 1.
   * @param params The parameter struct's members, in order; at most 64.
   * @param flops Floating-point operations it does, which decide where slices are cut.
   */
  dispatch(kernel: Kernel, bindings: readonly Binding[], params: readonly Param[], grid: Grid, flops = 0): void {
    if (bindings.length !== kernel.inputs) {
      throw new TypeError(
        `Cannot dispatch ${kernel.name}: ${bindings.length} buffers given, the kernel has ${kernel.inputs} bindings`,
      );
    }
    if (Math.max(...grid) > 65535) {
      throw new RangeError(
        `Cannot dispatch ${kernel.name}: grid ${grid.join("x")} exceeds 65535 workgroups a dimension`,
      );
    }
    if (grid[0] * grid[1] * grid[2] === 0) return;
    if (this.#pending.length === SLICE_DISPATCHES) this.submit();
    const slot = this.#pending.length * (SLOT_BYTES / 4);
    params.forEach((param, index) => {
      if (typeof param === "number") this.#paramsU32[slot + index] = param;
      else this.#paramsF32[slot + index] = param.f32;
    });
    this.#kernels.add(kernel);
    this.#pending.push({ kernel, group: this.#group(kernel, bindings), paramOffset: slot * 4, grid });
    this.#pendingCost += flops + 1e5;
    this.#flops += flops;
  }

  /** Sends what is recorded to the queue without waiting for it. */
  submit(): void {
    if (this.#pending.length === 0) return;
    const { device } = this.#memory.gpu;
    device.queue.writeBuffer(this.#uniform!, 0, this.#params, 0, this.#pending.length * SLOT_BYTES);
    const encoder = device.createCommandEncoder();
    if (this.#profiler) {
      for (const { kernel, group, paramOffset, grid } of this.#pending) {
        const pass = encoder.beginComputePass({ timestampWrites: this.#profiler.begin(kernel.name) });
        pass.setPipeline(kernel.pipeline);
        pass.setBindGroup(0, group, [paramOffset]);
        pass.dispatchWorkgroups(...grid);
        pass.end();
      }
      this.#profiler.resolve(encoder);
    } else {
      const pass = encoder.beginComputePass();
      let current: Kernel | undefined;
      for (const { kernel, group, paramOffset, grid } of this.#pending) {
        if (kernel !== current) pass.setPipeline(kernel.pipeline);
        current = kernel;
        pass.setBindGroup(0, group, [paramOffset]);
        pass.dispatchWorkgroups(...grid);
      }
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
    this.#pending = [];
  }

  /**
   * Call between units of work: when enough has been recorded, runs it and waits, so that signals and progress get
   * their turn.
   *
   * @throws The signal's reason if it is aborted; {@link GpuFailure} if the device failed.
   */
  async pace(signal?: AbortSignal): Promise<void> {
    if (this.#pendingCost < this.#costPerSecond * SLICE_SECONDS) return;
    await this.drain();
    signal?.throwIfAborted();
  }

  /** Sends everything and waits until the GPU has done it. */
  async drain(): Promise<void> {
    const started = performance.now();
    const cost = this.#pendingCost;
    this.#pendingCost = 0;
    this.submit();
    const { gpu } = this.#memory;
    await gpu.settle(gpu.device.queue.onSubmittedWorkDone());
    const seconds = (performance.now() - started) / 1e3;
    if (cost > 1e7 && seconds > 0.02) {
      // A smoothed rate: one slow first dispatch (compilation) should not shrink all later slices.
      this.#costPerSecond = 0.5 * this.#costPerSecond + 0.5 * (cost / seconds);
    }
  }

  /**
   * Copies slices of buffers to the host in one map. Offsets and sizes are multiples of 4 bytes.
   *
   * @throws What the guard throws.
   */
  async read(slices: readonly BufferSlice[]): Promise<ArrayBuffer[]> {
    this.submit();
    this.#pendingCost = 0;
    const { device } = this.#memory.gpu;
    const total = slices.reduce((sum, slice) => sum + slice.size, 0);
    const staging = await this.#memory.allocate("readback", total, 0x1 | 0x8);
    try {
      const encoder = device.createCommandEncoder();
      let at = 0;
      for (const { buffer, offset, size } of slices) {
        if (size > 0) encoder.copyBufferToBuffer(buffer, offset, staging, at, size);
        at += size;
      }
      device.queue.submit([encoder.finish()]);
      await this.guard?.(this.#kernels);
      await this.#memory.gpu.settle(staging.mapAsync(0x1));
      const bytes = staging.getMappedRange();
      let from = 0;
      const results = slices.map(({ size }) => bytes.slice(from, from += size));
      staging.unmap();
      return results;
    } finally {
      this.#memory.release(staging);
    }
  }

  /** Forgets cached bind groups; call after buffers they use were destroyed. */
  forgetBindGroups(): void {
    this.#groups.clear();
  }

  /** Drops what is recorded but not sent. */
  discard(): void {
    this.#pending = [];
    this.#pendingCost = 0;
  }

  #group(kernel: Kernel, bindings: readonly Binding[]): GPUBindGroup {
    let key = `${kernel.id}`;
    for (const binding of bindings) {
      key += "buffer" in binding
        ? `|${this.#id(binding.buffer)}+${binding.offset}:${binding.size}`
        : `|${this.#id(binding)}`;
    }
    let group = this.#groups.get(key);
    if (!group) {
      group = this.#memory.gpu.device.createBindGroup({
        layout: kernel.layout,
        entries: [
          { binding: 0, resource: { buffer: this.#uniform!, offset: 0, size: SLOT_BYTES } },
          ...bindings.map((binding, index) => ({
            binding: index + 1,
            resource: "buffer" in binding ? binding : "size" in binding ? { buffer: binding } : binding,
          })),
        ],
      });
      // Recorded dispatches hold on to theirs.
      if (this.#groups.size >= MOST_GROUPS) this.#groups.clear();
      this.#groups.set(key, group);
    }
    return group;
  }

  #id(resource: GPUBuffer | GPUTextureView): number {
    let id = this.#ids.get(resource);
    if (id === undefined) {
      id = this.#nextId++;
      this.#ids.set(resource, id);
    }
    return id;
  }
}
