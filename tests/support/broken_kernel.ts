/** Devices whose driver compiles kernels wrongly. */

/** Entry point of a kernel, and the name of its workgroup's place in the grid. */
const MAIN = /(fn main\([^{]*?@builtin\(workgroup_id\) (\w+)[^{]*\{)/;

/** What a driver makes of a kernel. */
export const FAULTS = {
  "does nothing": "if (true) { return; }",
  "does nothing but in its first workgroup": "if (any(GROUP != vec3(0u))) { return; }",
} as const;

/** The name of a fault. */
export type Fault = keyof typeof FAULTS;

/**
 * Lets a device compile the kernels that `isBroken` tells by name with a fault; `compiled` tells the names of the
 * kernels that were compiled, `labels` their names and constants.
 */
export function breakKernels(
  device: GPUDevice,
  isBroken: (name: string) => boolean,
  fault: Fault = "does nothing",
): { readonly compiled: ReadonlySet<string>; readonly labels: ReadonlySet<string> } {
  const createShaderModule = device.createShaderModule.bind(device);
  const compiled = new Set<string>();
  const labels = new Set<string>();
  Object.defineProperty(device, "createShaderModule", {
    configurable: true,
    value: (descriptor: GPUShaderModuleDescriptor) => {
      // What is compiled only to find out what the device takes has no label.
      const { label } = descriptor;
      if (!label) return createShaderModule(descriptor);
      const kernel = label.split("|")[0];
      labels.add(label);
      compiled.add(kernel);
      if (!isBroken(kernel)) return createShaderModule(descriptor);
      if (!MAIN.test(descriptor.code)) throw new Error(`${kernel} has no main`);
      const code = descriptor.code.replace(
        MAIN,
        (_, main, group) => `${main} ${FAULTS[fault].replace("GROUP", group)}`,
      );
      return createShaderModule({ ...descriptor, code });
    },
  });
  return { compiled, labels };
}
