/**
 * What work that may be interrupted was begun with: the adapter and its kernels. Which kernels are faster is measured
 * anew whenever an engine opens; where that is a close call, the work would otherwise go on with other last bits.
 */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { parseJsonObject } from "../checkpoint/strict_json.ts";
import type { AdapterKernels, EngineInfo } from "../engine/engine.ts";
import { readResult } from "./files.ts";
import { formatJson } from "./json.ts";

/** The kernels of an engine; undefined where it has none to choose between. */
export function kernelsOf({ adapter, details: { kernels } }: EngineInfo): AdapterKernels | undefined {
  return kernels === "tile" || kernels === "subgroup" ? { adapter, variant: kernels } : undefined;
}

/** Writes down what computes. The folder must exist. */
export async function writeBegunEngine(path: string, { kind, adapter, details }: EngineInfo): Promise<void> {
  await writeFileAtomic(path, formatJson({ kind, adapter, kernels: details.kernels ?? null }));
}

/** The kernels that work was begun with; undefined where the file is not there, cannot be read, or names none. */
export async function readBegunKernels(path: string): Promise<AdapterKernels | undefined> {
  const begun = await readResult(path).then((bytes) => parseJsonObject(path, bytes)).catch(() => null);
  if (begun === null || typeof begun.adapter !== "string") return undefined;
  const { adapter, kernels } = begun;
  return kernelsOf({ kind: "webgpu", adapter, details: { kernels: String(kernels) } });
}
