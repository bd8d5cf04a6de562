/**
 * One GPU device with what Secateur needs to know about it: limits, optional features, and fatal errors.
 *
 * WebGPU reports validation errors asynchronously and computes garbage meanwhile, so every uncaptured error marks the
 * device as failed and the next `check()` throws it.
 */

/** How to get a device. */
export interface OpenGpuOptions {
  /** A device to use instead of asking for one. It stays open when the `Gpu` is closed. */
  readonly device?: GPUDevice;
  /** Where to ask for an adapter; `navigator.gpu` by default. */
  readonly gpu?: GPU;
}

/** Thrown where no WebGPU adapter can be had. */
export class NoAdapterError extends Error {
  /** Tells this error from others by name. */
  override name = "NoAdapterError";
}

/** Thrown when the device reported an error that makes its results untrustworthy. */
export class GpuFailure extends Error {
  /** Tells this error from others by name. */
  override name = "GpuFailure";
}

/** Who wants to hear of the loss of a device, and what was lost already. */
interface Losses {
  readonly listeners: Set<(info: GPUDeviceLostInfo) => void>;
  info: GPUDeviceLostInfo | null;
}

/** By the promise of a device, which is the same one each time. */
const losses = new WeakMap<GPUDevice["lost"], Losses>();

/**
 * Calls `listener` when the device is lost, soon if it is lost already. What waited for the device's own promise would
 * be kept as long as the device is.
 *
 * @returns Has the listener forgotten.
 */
function onLoss(device: GPUDevice, listener: (info: GPUDeviceLostInfo) => void): () => void {
  const { lost } = device;
  let known = losses.get(lost);
  if (!known) {
    const { listeners } = known = { listeners: new Set(), info: null } as Losses;
    losses.set(lost, known);
    lost.then((info) => {
      known!.info = info;
      for (const tell of listeners) tell(info);
    });
  }
  const { listeners, info } = known;
  listeners.add(listener);
  if (info) queueMicrotask(() => listeners.has(listener) && listener(info));
  return () => listeners.delete(listener);
}

/** A device, its limits and its state. */
export class Gpu {
  readonly device: GPUDevice;
  /** Adapter description, such as `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  readonly adapter: string;
  /** Whether WGSL may use subgroup operations in groups of at least eight lanes. */
  readonly hasSubgroups: boolean;
  readonly hasTimestamps: boolean;
  /** Whether the adapter computes on the CPU, in the machine's own memory. */
  readonly isSoftware: boolean;
  /**
   * Whether WGSL that uses subgroup operations must say `enable subgroups;`: the standard asks for it, and Deno refuses
   * it.
   */
  readonly enablesSubgroups: boolean;
  readonly #owned: boolean;
  readonly #onError: (event: Event) => void;
  readonly #forget: () => void;
  #failure: Error | undefined;

  constructor(device: GPUDevice, owned: boolean, enablesSubgroups: boolean) {
    this.device = device;
    this.enablesSubgroups = enablesSubgroups;
    this.#owned = owned;
    const info = device.adapterInfo;
    this.adapter = info?.description || [info?.vendor, info?.architecture, info?.device].filter(Boolean).join(" ") ||
      "unknown adapter";
    this.hasSubgroups = device.features.has("subgroups") && (info?.subgroupMinSize ?? 0) >= 8;
    this.isSoftware = info?.isFallbackAdapter ?? false;
    this.hasTimestamps = device.features.has("timestamp-query");
    this.#onError = (event) => {
      event.preventDefault();
      this.#failure ??= new GpuFailure(
        `The GPU reported an error, so its results cannot be trusted: ${
          (event as GPUUncapturedErrorEvent).error.message
        }`,
      );
    };
    device.addEventListener("uncapturederror", this.#onError);
    this.#forget = onLoss(device, ({ reason, message }) => {
      // What the loss made of other calls came after it and explains nothing.
      this.#failure = new GpuFailure(
        reason === "destroyed"
          ? "The GPU device was lost: somebody destroyed it"
          : `The GPU device was lost: ${message || "its driver gave no reason"}`,
      );
    });
  }

  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  /** @throws {GpuFailure} If the device has reported an error since it was opened. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * The device's own failure behind an error of one of its calls, else the error itself. A lost device fails its calls
   * before it says that it is lost.
   */
  async explain(error: unknown): Promise<unknown> {
    await new Promise((wake) => setTimeout(wake, 0));
    return this.#failure ?? error;
  }

  /**
   * Waits for something that the device does.
   *
   * @throws {GpuFailure} If the device has failed by then.
   */
  async settle(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      throw await this.explain(error);
    }
    this.check();
  }

  /** Stops listening to the device, and destroys it unless it was the caller's. */
  close(): void {
    this.#forget();
    this.device.removeEventListener("uncapturederror", this.#onError);
    if (this.#owned) this.device.destroy();
  }
}

/** Whether a device takes WGSL that says `enable subgroups;`. */
async function takesEnableSubgroups(device: GPUDevice): Promise<boolean> {
  if (!device.features.has("subgroups")) return false;
  device.pushErrorScope("validation");
  device.createShaderModule({ code: "enable subgroups; @compute @workgroup_size(1) fn main() {}" });
  try {
    return await device.popErrorScope() === null;
  } catch {
    // A device that is lost says so in its own words when it is used.
    return false;
  }
}

/** A device with what is found out about it. */
async function describeDevice(device: GPUDevice, owned: boolean): Promise<Gpu> {
  return new Gpu(device, owned, await takesEnableSubgroups(device));
}

/** Limits that are raised to what the adapter offers. */
const RAISED_LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxTextureDimension2D",
] as const;

/**
 * Opens a GPU device with the adapter's own limits and the optional features Secateur uses.
 *
 * @throws {NoAdapterError} If there is no WebGPU adapter.
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  if (options.device) return await describeDevice(options.device, false);
  const gpu = options.gpu ?? (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (!gpu) throw new NoAdapterError("Cannot use WebGPU: this runtime has no `navigator.gpu`");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new NoAdapterError(
      "Cannot use WebGPU: no adapter was found (on Debian, `apt-get install mesa-vulkan-drivers`)",
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];
  const timestamps: GPUFeatureName[] = adapter.features.has("timestamp-query") ? ["timestamp-query"] : [];
  // Deno offers subgroups without listing them, so asking is the only way to find out.
  for (const features of [[...timestamps, "subgroups" as GPUFeatureName], timestamps]) {
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
    } catch (error) {
      if (features === timestamps) throw error;
      continue;
    }
    return await describeDevice(device, true);
  }
  throw new NoAdapterError("Cannot use WebGPU: the adapter gave no device");
}
