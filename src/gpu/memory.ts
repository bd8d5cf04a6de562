/**
 * GPU buffers with a count of bytes. Buffers that are not destroyed never come back, so every allocation goes through a
 * `Memory`, which knows the live and the peak bytes and can release what it holds.
 */
import type { Gpu } from "./device.ts";

/** Thrown when the device has no room for a buffer. */
export class OutOfGpuMemoryError extends Error {
  override name = "OutOfGpuMemoryError";
}

/** Bytes in use and their peak. */
export class Memory {
  #liveBytes = 0;
  #peakBytes = 0;
  readonly #buffers = new Set<GPUBuffer>();
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
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
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
    const error = await device.popErrorScope();
    if (error) {
      throw new OutOfGpuMemoryError(
        `Cannot allocate ${label}: the GPU has no room for ${size} bytes (${this.#liveBytes} bytes are in use); lower the memory budget`,
      );
    }
    this.#buffers.add(buffer);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return buffer;
  }

  /** Destroys a buffer made by `allocate`. */
  release(buffer: GPUBuffer): void {
    if (!this.#buffers.delete(buffer)) return;
    this.#liveBytes -= buffer.size;
    buffer.destroy();
  }

  /** Destroys everything. */
  releaseAll(): void {
    for (const buffer of [...this.#buffers]) this.release(buffer);
  }
}

/** Usage of ordinary storage buffers. */
export const STORAGE_USAGE = 0x80 | 0x8 | 0x4; // STORAGE | COPY_DST | COPY_SRC
/** Usage of uniform buffers that are written from the host. */
export const UNIFORM_USAGE = 0x40 | 0x8; // UNIFORM | COPY_DST
/** Usage of buffers that are mapped for reading. */
export const READBACK_USAGE = 0x1 | 0x8; // MAP_READ | COPY_DST
