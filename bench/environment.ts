/** Where a run of the bench happens: commit, adapter, driver, runtime, processor. */
import { openGpu } from "../src/gpu/device.ts";
import type { Environment } from "./record.ts";

/** Describes this machine and checkout, as far as it lets itself be asked. */
export async function describeEnvironment(): Promise<Environment> {
  const gpu = await openGpu();
  const { adapter } = gpu;
  gpu.close();
  const changed = await output("git", [
    "status",
    "--porcelain",
    "--untracked-files=no",
    "--",
    "src",
    "kernels",
    "bench",
  ]);
  return {
    time: new Date().toISOString(),
    commit: await output("git", ["rev-parse", "--short=12", "HEAD"]) ?? "unknown",
    dirty: changed !== "",
    adapter,
    driver: await driver(adapter),
    deno: Deno.version.deno,
    os: `${Deno.build.os} ${Deno.build.arch}`,
    cpu: await cpu(),
    cores: navigator.hardwareConcurrency,
    load: Deno.build.os === "windows" ? 0 : Deno.loadavg()[0],
  };
}

/** What a program prints, trimmed; null where it is not there or fails. */
async function output(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(program, {
      args: [...args],
      cwd: new URL("..", import.meta.url),
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}

/** WebGPU does not tell the driver's version, so the system is asked. */
async function driver(adapter: string): Promise<string> {
  const nvidia = await readText("/proc/driver/nvidia/version");
  const version = nvidia?.match(/Kernel Module.*?(\d+\.\d+(?:\.\d+)?)/)?.[1];
  if (version && /nvidia|geforce|tesla|quadro|rtx|gtx|[ablh]\d{2,3}\b/i.test(adapter)) return `NVIDIA ${version}`;
  const mesa = await output("dpkg-query", ["--show", "--showformat=${Version}", "mesa-vulkan-drivers"]);
  return mesa ? `Mesa ${mesa}` : `${Deno.build.os} system driver`;
}

async function cpu(): Promise<string> {
  if (Deno.build.os === "darwin") return await output("sysctl", ["-n", "machdep.cpu.brand_string"]) ?? "unknown";
  const text = await readText("/proc/cpuinfo");
  const name = text?.match(/^model name\s*:\s*(.+)$/m)?.[1] ?? "unknown";
  const vectors = ["avx512f", "avx2", "avx", "asimd", "sse2"].find((flag) => text?.match(new RegExp(`\\b${flag}\\b`)));
  return vectors ? `${name}, ${vectors}` : name;
}

async function readText(path: string): Promise<string | null> {
  return await Deno.readTextFile(path).catch(() => null);
}
