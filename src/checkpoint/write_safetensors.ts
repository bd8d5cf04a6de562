/** Writes safetensors files. */
import { writeFileAtomic } from "./atomic_file.ts";
import { encodeSafetensors, type NewTensor } from "./safetensors.ts";

/**
 * Writes a safetensors file atomically: complete under its name, or not there at all.
 *
 * @param metadata Texts for `__metadata__`.
 * @throws {RangeError} As `encodeSafetensors`.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly NewTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}
