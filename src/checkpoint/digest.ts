/** A digest of a model's weights: what results are kept under, so that another model never gets them. */
import { createHash } from "node:crypto";
import { bytesPerWeight } from "./dtype.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { WeightRef } from "./model_config.ts";

/** Bytes read at once. */
const pieceBytes = 16 * 2 ** 20;

/** Every weight that a part of the configuration names, however deep. */
function weightRefs(value: unknown): WeightRef[] {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  if ("rowStart" in value) return [value as WeightRef];
  return Object.values(value).flatMap(weightRefs);
}

/**
 * The first 128 bits, in hexadecimal, of the SHA-256 of the configuration and of every weight as it is stored. It reads the
 * whole model once, or with `rowsPerWeight` only the first rows of every weight, which tells models apart but not every edit.
 */
export async function digestWeights(
  checkpoint: Pick<Checkpoint, "config" | "readRows" | "typeOf">,
  { signal, rowsPerWeight = Infinity }: { readonly signal?: AbortSignal; readonly rowsPerWeight?: number } = {},
): Promise<string> {
  const { config } = checkpoint;
  const hash = createHash("sha256");
  hash.update(JSON.stringify(config, (_, value) => ArrayBuffer.isView(value) ? Array.from(value as never) : value));
  for (const ref of weightRefs(config)) {
    const rowBytes = ref.columns * bytesPerWeight(checkpoint.typeOf(ref));
    const step = Math.max(1, Math.floor(pieceBytes / rowBytes));
    const end = Math.min(ref.rows, rowsPerWeight);
    for (let row = 0; row < end; row += step) {
      signal?.throwIfAborted();
      const count = Math.min(step, end - row);
      const bytes = new Uint8Array(count * rowBytes);
      await checkpoint.readRows(ref, row, count, bytes);
      hash.update(bytes);
    }
  }
  return hash.digest("hex").slice(0, 32);
}

/** Rows of each weight that `digestFirstRows` reads. */
const firstRows = 4;

/** `digestWeights` of the first rows of every weight: telling models apart must not take as long as reading them. */
export async function digestFirstRows(
  checkpoint: Pick<Checkpoint, "config" | "readRows" | "typeOf">,
  signal: AbortSignal,
): Promise<string> {
  return await digestWeights(checkpoint, { signal, rowsPerWeight: firstRows });
}
