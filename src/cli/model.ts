/** Finds the model that a command line names: a folder, or a name that is looked up and downloaded. */
import { type ResolvedRepository, resolveModel } from "../checkpoint/hub.ts";
import type { CommandContext } from "./command.ts";

/** Resolves `--model`, showing the bytes of a download. */
export function findModel(
  model: string,
  { signal, onProgress }: Pick<CommandContext, "signal" | "onProgress">,
): Promise<ResolvedRepository> {
  return resolveModel(model, {
    signal,
    onProgress: ({ bytesDone, bytesTotal }) =>
      onProgress({ stage: "download", done: bytesDone, total: bytesTotal, unit: "bytes" }),
  });
}
