/** Fingerprints of models whose files are still the ones they were taken of: taking one reads most of the model. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { fingerprintWeights } from "../checkpoint/digest.ts";
import { findWeightFiles, openCheckpoint } from "../checkpoint/open.ts";
import { INDEX_FILE } from "../checkpoint/open_from.ts";
import { filesVersion } from "./files_version.ts";

/** A checkpoint and the fingerprint of what is read from it. */
export interface FingerprintedCheckpoint {
  /** Opened; the caller closes it. */
  readonly checkpoint: Checkpoint;
  /** As `fingerprintWeights` gives it. */
  readonly weights: string;
}

/** Tells the files of a checkpoint from others under their names, and from themselves after they were written to. */
async function versionOf(folder: string): Promise<string> {
  const { files, index } = await findWeightFiles(folder);
  return await filesVersion(folder, ["config.json", ...(index ? [INDEX_FILE] : []), ...files]);
}

/** The latest fingerprint of each folder. */
export class FingerprintMemo {
  readonly #known = new Map<string, { readonly version: string; readonly weights: string }>();

  /**
   * Opens the checkpoint in a folder. Its fingerprint is taken anew unless all of its files are those of last time.
   *
   * @throws As `openCheckpoint`; the signal's reason is thrown as it is.
   */
  async open(folder: string, signal: AbortSignal): Promise<FingerprintedCheckpoint> {
    // What was opened is of that version only if the files were of it before and after.
    const before = await versionOf(folder).catch(() => null);
    const checkpoint = await openCheckpoint(folder);
    try {
      const isUnchanged = async () => before !== null && await versionOf(folder) === before;
      const known = this.#known.get(folder);
      if (known !== undefined && known.version === before && await isUnchanged()) {
        return { checkpoint, weights: known.weights };
      }
      const weights = await fingerprintWeights(checkpoint, signal);
      if (before !== null && await isUnchanged()) this.#known.set(folder, { version: before, weights });
      return { checkpoint, weights };
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  }
}
