/** What the environment of a process that uses WebGPU must say. */

/** The variables to add, on this machine; none where the defaults are right. */
export function webgpuEnvironment(): Record<string, string> {
  if (Deno.build.os !== "linux") return {};
  const variables: Record<string, string> = {};
  // Left alone, a machine without a Vulkan driver silently gets OpenGL, which lacks features the kernels use.
  if (!Deno.env.has("DENO_WEBGPU_BACKEND")) variables.DENO_WEBGPU_BACKEND = "vulkan";
  // Mesa looks for a Wayland display even to compute, and calls its absence an error on stderr.
  if (!Deno.env.has("XDG_RUNTIME_DIR")) variables.XDG_RUNTIME_DIR = "/tmp";
  return variables;
}
