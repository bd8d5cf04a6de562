/**
 * The GPU device that one job leaves to the next. What was compiled and checked for it stays compiled and checked; a
 * software driver, whose compiler is slow and keeps memory, would otherwise do it all again for every job.
 */
import { type Gpu, NoAdapterError, openGpu } from "../gpu/device.ts";

/** One device, opened when it is first asked for. */
export class KeptDevice {
  #gpu: Gpu | null = null;

  /** The device, or another one where it has failed meanwhile; null where there is no adapter. */
  async get(): Promise<GPUDevice | null> {
    try {
      this.#gpu?.check();
    } catch {
      this.drop();
    }
    try {
      this.#gpu ??= await openGpu();
    } catch (error) {
      if (error instanceof NoAdapterError) return null;
      throw error;
    }
    return this.#gpu.device;
  }

  /** Lets go of the device: whoever asks next gets another one. */
  drop(): void {
    this.#gpu?.close();
    this.#gpu = null;
  }
}
