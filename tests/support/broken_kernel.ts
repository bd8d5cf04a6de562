/** Devices whose driver compiles one kernel wrongly. */

/** Entry point of a kernel. */
const MAIN = /(fn main\([^{]*\{)/;

/**
 * Lets a device compile a kernel, known by its name, to one that does nothing; `compiled` tells the names of the kernels that
 * were compiled.
 */
export function breakKernel(device: GPUDevice, name: string | null): { readonly compiled: ReadonlySet<string> } {
  const createShaderModule = device.createShaderModule.bind(device);
  const compiled = new Set<string>();
  Object.defineProperty(device, "createShaderModule", {
    configurable: true,
    value: (descriptor: GPUShaderModuleDescriptor) => {
      const kernel = descriptor.label!.split("|")[0];
      compiled.add(kernel);
      if (kernel !== name) return createShaderModule(descriptor);
      if (!MAIN.test(descriptor.code)) throw new Error(`${name} has no main`);
      return createShaderModule({ ...descriptor, code: descriptor.code.replace(MAIN, "$1 if (true) { return; }") });
    },
  });
  return { compiled };
}
