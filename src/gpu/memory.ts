/**
 * GPU buffers and textures with a count of bytes. Those that are not destroyed never come back, so every allocation
 * goes through a `Memory`, which knows the live and the peak bytes and can release what it holds.
 */
import type { Gpu } from "./device.ts";

/** Thrown when the device has no room for a buffer. */
export class OutOfGpuMemoryError extends Error {
  /** Tells this error from others by name. */
  override name = "OutOfGpuMemoryError";
}

/** Bytes that an allocation of `bytes` takes. */
export function allocatedBytes(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 16) * 16);
}

/** Bytes in use and their peak. */
export class Memory {
  #liveBytes = 0;
  #peakBytes = 0;
  readonly #sizes = new Map<GPUBuffer | GPUTexture, number>();
  readonly gpu: Gpu;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** Bytes of all live buffers. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Largest value `liveBytes` has had since the last `resetPeak()`. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Starts measuring the peak anew from what is live now. */
  resetPeak(): void {
    this.#peakBytes = this.#liveBytes;
  }

  /**
   * Creates a storage buffer (zero-filled, copyable both ways).
   *
   * @throws {RangeError} If it would exceed the device's buffer or binding limit.
   * @throws {OutOfGpuMemoryError} If the device has no room for it.
   */
  async allocate(label: string, bytes: number, usage = STORAGE_USAGE): Promise<GPUBuffer> {
    const size = allocatedBytes(bytes);
    const limit = usage & GPUBufferUsage.STORAGE
      ? Math.min(this.gpu.limits.maxBufferSize, this.gpu.limits.maxStorageBufferBindingSize)
      : this.gpu.limits.maxBufferSize;
    if (size > limit) {
      throw new RangeError(
        `Cannot allocate ${label}: ${size} bytes exceed this adapter's limit of ${limit} bytes a buffer`,
      );
    }
    const { device } = this.gpu;
    device.pushErrorScope("out-of-memory");
    const buffer = device.createBuffer({ label, size, usage });
    return await this.#counted(label, buffer, size);
  }

  /**
   * Creates a two-dimensional texture of four u32 a texel (16 bytes), zero-filled, to be written from the host and read
   * by kernels.
   *
   * @throws {OutOfGpuMemoryError} If the device has no room for it.
   */
  async allocateTexture(label: string, width: number, height: number): Promise<GPUTexture> {
    const { device } = this.gpu;
    device.pushErrorScope("out-of-memory");
    const texture = device.createTexture({
      label,
      size: [width, height],
      format: "rgba32uint",
      usage: 0x4 | 0x2, // TEXTURE_BINDING | COPY_DST
    });
    return await this.#counted(label, texture, width * height * 16);
  }

  /** Destroys a buffer or texture made here. */
  release(resource: GPUBuffer | GPUTexture): void {
    const size = this.#sizes.get(resource);
    if (size === undefined) return;
    this.#sizes.delete(resource);
    this.#liveBytes -= size;
    resource.destroy();
  }

  /** Destroys everything. */
  releaseAll(): void {
    for (const resource of [...this.#sizes.keys()]) this.release(resource);
  }

  /** Closes the error scope of an allocation and takes what came of it into account. */
  async #counted<T extends GPUBuffer | GPUTexture>(label: string, resource: T, size: number): Promise<T> {
    const { gpu } = this;
    const error = await gpu.device.popErrorScope().catch(async (error) => {
      throw await gpu.explain(error);
    });
    if (error) {
      resource.destroy();
      throw this.#full(label, size);
    }
    this.#sizes.set(resource, size);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return resource;
  }

  #full(label: string, bytes: number): OutOfGpuMemoryError {
    const inUse = this.#liveBytes;
    // Somewhat less than what did fit: drivers need room of their own.
    const budget = Math.floor(0.8 * inUse / MEBIBYTE);
    return new OutOfGpuMemoryError(
      `Cannot allocate ${label}: the GPU has no room for ${bytes} bytes (${inUse} bytes are in use); ` +
        (budget > 0
          ? `set the memory budget to ${budget} MiB (${budget * MEBIBYTE} bytes) or less`
          : "lower the memory budget, or free memory that other programs use"),
    );
  }
}

const MEBIBYTE = 2 ** 20;

/** Usage of ordinary storage buffers. */
export const STORAGE_USAGE = 0x80 | 0x8 | 0x4; // STORAGE | COPY_DST | COPY_SRC
/** Usage of uniform buffers that are written from the host. */
export const UNIFORM_USAGE = 0x40 | 0x8; // UNIFORM | COPY_DST
/** Usage of buffers that are mapped for reading. */
export const READBACK_USAGE = 0x1 | 0x8; // MAP_READ | COPY_DST
