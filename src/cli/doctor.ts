/** `secateur doctor`: whether this machine can compute, with what, and what to install or grant where it cannot. */
import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { basename } from "node:path";
import type { WeightType } from "../checkpoint/checkpoint.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { cacheFolder, endpoint, isOffline, readToken } from "../checkpoint/hub_environment.ts";
import { createWebGpuEngine } from "../engine/webgpu.ts";
import { selfCheckModel } from "../engine/webgpu/self_check.ts";
import { NoAdapterError, openGpu } from "../gpu/device.ts";
import { formatBytes } from "../text/bytes.ts";
import { defineCommand } from "./command.ts";
import { adapterAdvice } from "./system_package.ts";
import { counted, formatTable } from "./text.ts";
import { version } from "./version.ts";

const weightTypes: readonly WeightType[] = ["F32", "F16", "BF16"];

/** Limits that bound a model or choose kernels. */
const shownLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxTextureDimension2D",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** Vendors as Vulkan numbers them. */
const vendors: Readonly<Record<string, string>> = {
  0x1002: "AMD",
  0x106b: "Apple",
  0x10de: "NVIDIA",
  0x13b5: "Arm",
  0x5143: "Qualcomm",
  0x8086: "Intel",
  0x10005: "Mesa",
};

function vendorName(vendor: string): string {
  return vendors[vendor] ?? vendor;
}

/** Folders in which Linux keeps one file for each Vulkan driver. */
const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/**
 * Files of the Vulkan drivers that are installed; null where there are no such folders. WebGPU itself names no driver.
 */
async function findDrivers(): Promise<string[] | null> {
  if (Deno.build.os !== "linux") return null;
  const named = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  if (named !== undefined) return named.split(":");
  const found = await Promise.all(
    driverFolders.map(async (folder) => (await readdir(folder).catch(() => [])).map((name) => `${folder}/${name}`)),
  );
  return found.flat().sort();
}

/** Something that stands in the way, and what to do about it. */
interface Finding {
  readonly problem: string;
  readonly advice: string;
}

/** Adapter, features and limits; null where there is no adapter. */
async function describeDevice() {
  try {
    const gpu = await openGpu();
    try {
      const { adapterInfo, features, limits } = gpu.device;
      const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapterInfo;
      return {
        adapter: gpu.adapter,
        vendor,
        architecture,
        device,
        description,
        isSoftware: gpu.isSoftware,
        subgroupSizes: [subgroupMinSize, subgroupMaxSize],
        features: [...features].sort(),
        hasSubgroups: gpu.hasSubgroups,
        hasTimestamps: gpu.hasTimestamps,
        limits: Object.fromEntries(shownLimits.map((name) => [name, limits[name]])),
      };
    } finally {
      gpu.close();
    }
  } catch (error) {
    return { problem: (error as Error).message, isMissing: error instanceof NoAdapterError };
  }
}

/** Computes the model with known results with each type of weights: `passed`, or what is wrong. */
async function checkKernels(signal: AbortSignal, onType: (done: number) => void): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {};
  for (const [index, type] of weightTypes.entries()) {
    signal.throwIfAborted();
    onType(index);
    const checkpoint = await selfCheckModel(type);
    try {
      await (await createWebGpuEngine(checkpoint)).close();
      outcomes[type] = "passed";
    } catch (error) {
      outcomes[type] = (error as Error).message;
    } finally {
      await checkpoint.close();
    }
  }
  onType(weightTypes.length);
  return outcomes;
}

/** What the program may do. Asking never prompts. */
async function describePermissions() {
  const ask = async (permission: Deno.PermissionDescriptor) => (await Deno.permissions.query(permission)).state;
  return {
    read: await ask({ name: "read" }),
    write: await ask({ name: "write" }),
    net: await ask({ name: "net" }),
    env: await ask({ name: "env" }),
    sys: await ask({ name: "sys" }),
    run: await ask({ name: "run" }),
  };
}

/** The result of something that a missing permission may forbid, or the reason. */
async function attempt<T>(work: () => Promise<T> | T): Promise<T | { readonly problem: string }> {
  try {
    return await work();
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** The cache that Secateur shares with Python's `huggingface_hub`, as the environment names it. */
async function describeHub() {
  const environment = Deno.env.toObject();
  const folder = cacheFolder({ HOME: homedir(), ...environment });
  const names = await readdir(folder).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  const count = (kind: string) => names?.filter((name) => name.startsWith(`${kind}--`)).length ?? 0;
  return {
    cache: folder,
    exists: names !== null,
    models: count("models"),
    datasets: count("datasets"),
    endpoint: endpoint(environment).href,
    isOffline: isOffline(environment),
    // The token itself is nobody's business.
    hasToken: await readToken(environment) !== null,
  };
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

export const doctor = defineCommand({
  name: "doctor",
  summary: "Check this machine: adapter, kernels, permissions, cache, and what to install.",
  description:
    "Opens the adapter as a run does, computes a model of a few thousand weights with known results on it, once for each type of\n" +
    "weights, and holds each kernel that takes part against float64; a run does the same with every kernel that it comes to use.\n" +
    "Looks at the permissions and at the cache of Hugging Face too. Asks nothing of the network and writes nothing.\n" +
    "What stands in the way is listed at the end with what to do about it, and is no failure of this command.",
  example: "doctor --json",
  options: {},
  async run(_options, { signal, onProgress, style }) {
    const findings: Finding[] = [];
    const permissions = await describePermissions();
    const device = await describeDevice();
    let kernels: Record<string, string> | null = null;
    if ("problem" in device) {
      const advice = device.isMissing
        ? await attempt(adapterAdvice)
        : "update the driver, or repeat this with another one.";
      findings.push({
        problem: `${device.problem}; the demo, and every command with --engine reference, computes on the CPU`,
        advice: typeof advice === "string"
          ? advice
          : "install a Vulkan driver: your GPU vendor's, or Mesa's software one.",
      });
    } else {
      kernels = await checkKernels(
        signal,
        (done) => onProgress({ stage: "self-check", done, total: weightTypes.length, unit: "weight types" }),
      );
      for (const [type, outcome] of Object.entries(kernels)) {
        if (outcome === "passed") continue;
        findings.push({
          problem: `weights in ${type}: ${outcome}`,
          advice: "update the driver, or compute on the CPU with --engine reference.",
        });
      }
    }
    for (const name of ["read", "write", "env"] as const) {
      if (permissions[name] === "granted") continue;
      findings.push({
        problem: `not every ${name} access is granted`,
        advice: "docs/permissions.md lists the permissions that each command needs.",
      });
    }
    const drivers = await attempt(findDrivers);
    const hub = await attempt(describeHub);
    if ("problem" in hub) {
      findings.push({
        problem: `models by name cannot be looked up: ${hub.problem}`,
        advice: "docs/permissions.md lists what they need; a folder with --model needs none of it.",
      });
    }

    const backend = await attempt(() => Deno.env.get("DENO_WEBGPU_BACKEND") ?? "chosen by Deno");
    const program = {
      secateur: version,
      deno: Deno.version.deno,
      system: `${Deno.build.os} ${Deno.build.arch}`,
      backend: typeof backend === "string" ? backend : null,
    };
    const rows: [string, string][] = [
      ["secateur", program.secateur],
      ["Deno", `${program.deno} on ${program.system}`],
      ["WebGPU backend", program.backend ?? "not to be known without --allow-env"],
    ];
    if (Array.isArray(drivers)) {
      rows.push(["Vulkan drivers", drivers.map((file) => basename(file)).join(", ") || "none"]);
    }
    if ("problem" in device) {
      rows.push(["adapter", "none"]);
    } else {
      const { limits, features } = device;
      const bytes = (name: typeof shownLimits[number]) => formatBytes(limits[name]);
      rows.push(
        ["adapter", `${device.adapter}${device.isSoftware ? ": computes on the CPU, right and slow" : ""}`],
        [
          "vendor, architecture",
          [vendorName(device.vendor), device.architecture].filter(Boolean).join(", ") || "not told",
        ],
        ["features", features.join(", ") || "none"],
        ["subgroup kernels", yesNo(device.hasSubgroups)],
        ["kernels can be timed", yesNo(device.hasTimestamps)],
        ["largest buffer, binding", `${bytes("maxBufferSize")}, ${bytes("maxStorageBufferBindingSize")}`],
        [
          "workgroups",
          `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${bytes("maxComputeWorkgroupStorageSize")} shared`,
        ],
        ...Object.entries(kernels ?? {}).map(([type, outcome]): [string, string] => [`self-check, ${type}`, outcome]),
      );
    }
    rows.push(["permissions", Object.entries(permissions).map(([name, state]) => `${name} ${state}`).join(", ")]);
    if (!("problem" in hub)) {
      rows.push(
        [
          "Hugging Face cache",
          hub.exists
            ? `${hub.cache}: ${counted(hub.models, "model")}, ${counted(hub.datasets, "dataset")}`
            : `${hub.cache}, not there yet`,
        ],
        ["Hugging Face hub", `${hub.endpoint}${hub.isOffline ? ", forbidden by the environment" : ""}`],
        ["Hugging Face token", hub.hasToken ? "there" : "none: public models only"],
      );
    }
    const advice = findings.map(({ problem, advice }) => `${style("bad", `Problem: ${problem}`)}\nHint: ${advice}`);
    return {
      text: `${formatTable(rows.map(([name, value]) => [`${name}: ${value}`]))}\n\n${
        advice.length > 0 ? advice.join("\n\n") : style("good", "Nothing stands in the way.")
      }\n`,
      json: {
        ...program,
        drivers: Array.isArray(drivers) ? drivers : null,
        adapter: "problem" in device ? null : device,
        selfCheck: kernels,
        permissions,
        hub: "problem" in hub ? null : hub,
        problems: findings.map((finding) => ({ ...finding })),
      },
    };
  },
});
