/**
 * Compute pipelines made from WGSL text and override constants, cached by device.
 *
 * Every kernel follows one convention: `@group(0) @binding(0)` is `var<uniform> params`, the other bindings are storage
 * buffers and unsigned textures numbered from 1, and the entry point is `main`. The bind group layout is read off the
 * WGSL text, so it cannot disagree with it.
 */
import type { Gpu } from "./device.ts";

/** WGSL text and its name in labels and profiles. */
export interface KernelSource {
  readonly name: string;
  readonly code: string;
}

/** Values of the kernel's `override` declarations. */
export type KernelConstants = Readonly<Record<string, number>>;

/** A compiled kernel. */
export interface Kernel {
  readonly name: string;
  /** The values of its `override` declarations that it was compiled with. */
  readonly constants: KernelConstants;
  /** Serial number, unique on its device. */
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Number of bindings that follow the uniform one. */
  readonly inputs: number;
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var(?:<(uniform|storage)(?:\s*,\s*(read|read_write))?>)?\s*\w+\s*:\s*(\w+)/g;

/** A subgroup operation or its builtin values, in WGSL. */
const USES_SUBGROUPS = /\bsubgroup(?:[A-Z]\w*\(|_)/;

/**
 * WGSL as the standard wants it where it uses subgroup operations. The lanes of a group share the bounds of every loop
 * that broadcasts, but bounds that are read from a table look to the compiler as if they did not.
 */
export function enableSubgroups(code: string): string {
  if (!USES_SUBGROUPS.test(code)) return code;
  return `enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n${code}`;
}

const caches = new WeakMap<GPUDevice, KernelCache>();

/** Compiles and caches kernels for one device. */
export class KernelCache {
  readonly #device: GPUDevice;
  readonly #enablesSubgroups: boolean;
  readonly #kernels = new Map<string, Kernel>();

  private constructor({ device, enablesSubgroups }: Gpu) {
    this.#device = device;
    this.#enablesSubgroups = enablesSubgroups;
  }

  /** The cache of a device: engines on the same device share what is compiled. */
  static of(gpu: Gpu): KernelCache {
    let cache = caches.get(gpu.device);
    if (!cache) caches.set(gpu.device, cache = new KernelCache(gpu));
    return cache;
  }

  /** The pipeline of `source` with `constants`, compiled on first use. */
  get(source: KernelSource, constants: KernelConstants = {}): Kernel {
    const values = Object.entries(constants).map(([name, value]) => `${name}=${value}`);
    const key = `${source.name}|${values.sort().join(",")}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = this.#compile(source, constants, key);
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  #compile(source: KernelSource, constants: KernelConstants, label: string): Kernel {
    const device = this.#device;
    const code = this.#enablesSubgroups ? enableSubgroups(source.code) : source.code;
    const entries: GPUBindGroupLayoutEntry[] = [...source.code.matchAll(BINDING)].map((
      [, binding, space, access, type],
    ) => ({
      binding: Number(binding),
      visibility: 0x4, // GPUShaderStage.COMPUTE
      ...bindingLayout(space, access, type),
    }));
    const layout = device.createBindGroupLayout({ label, entries });
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: device.createShaderModule({ label, code }),
        entryPoint: "main",
        constants: { ...constants },
      },
    });
    return { name: source.name, constants, id: this.#kernels.size, pipeline, layout, inputs: entries.length - 1 };
  }
}

function bindingLayout(space: string | undefined, access: string | undefined, type: string) {
  if (type === "texture_2d") return { texture: { sampleType: "uint" } } as const;
  if (space === "uniform") return { buffer: { type: "uniform", hasDynamicOffset: true } } as const;
  return { buffer: { type: access === "read_write" ? "storage" : "read-only-storage" } } as const;
}
