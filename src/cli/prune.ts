/** `secateur prune`: a copy of a checkpoint in which the planned neurons are zero. */
import { lstat } from "node:fs/promises";
import { fingerprintWeights } from "../checkpoint/digest.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { writePrunedCheckpoint } from "../checkpoint/prune_checkpoint.ts";
import { readPlan, runFileNames } from "../method/files.ts";
import { formatBytes } from "../text/bytes.ts";
import { defineCommand } from "./command.ts";
import { CommandError } from "./errors.ts";
import { checkFoundOn, otherWeightsOptions } from "./found_on.ts";
import { requireFile } from "./input_file.ts";
import { checkCopyPlace, findModel } from "./model.ts";
import { modelOptions } from "./options.ts";
import { counted } from "./text.ts";
import { version } from "./version.ts";

export const prune = defineCommand({
  name: "prune",
  summary: "Write a pruned copy of a checkpoint.",
  description:
    "The rows of the planned neurons become zero and every shape stays, so whatever opens the checkpoint opens the copy.\n" +
    "The copy appears when it is complete; the checkpoint itself is only read.",
  example: "prune --model examples/demo/model --plan out/demo/plan.json --out out/demo-pruned",
  options: {
    ...modelOptions,
    plan: { type: "text", placeholder: "FILE", required: true, description: `A ${runFileNames.plan}.` },
    ...otherWeightsOptions,
    out: { type: "text", placeholder: "DIR", required: true, description: "Folder of the copy, which must not exist." },
    overwrite: { type: "flag", description: "Replace a checkpoint that is at --out." },
    link: { type: "flag", description: "Share files that do not change with the checkpoint, by hard links." },
  },
  async run(
    { model, plan: planFile, out, overwrite, link, "other-weights": isOtherFine },
    { signal, onProgress, note },
  ) {
    await requireFile(planFile, "plan", runFileNames.plan);
    await checkCopyPlace(model, out);
    if (!overwrite && await lstat(out).then(() => true, () => false)) {
      throw new CommandError(
        `${out} is there already`,
        "--overwrite replaces a checkpoint that is there, or name another folder with --out.",
      );
    }
    const { folder } = await findModel(model, { signal, onProgress });
    const checkpoint = await openCheckpoint(folder);
    try {
      const plan = await readPlan(planFile, checkpoint.config);
      // Reading the weights for a fingerprint takes a while, and a plan that names none is compared with nothing.
      const weights = plan.weights === undefined ? "" : await fingerprintWeights(checkpoint, signal);
      for (const line of checkFoundOn(planFile, plan.weights, { model, weights }, isOtherFine)) note(line);
      const written = await writePrunedCheckpoint(folder, out, plan.masks, {
        overwrite,
        unchanged: link ? "link" : "copy",
        note: { version, plan: plan.chosen },
        signal,
        onProgress: ({ bytesDone, bytesTotal }) =>
          onProgress({ stage: "prune", done: bytesDone, total: bytesTotal, unit: "bytes" }),
      });
      const { zeroedRows, bytesWritten, rewritten, copied, linked, leftOut } = written;
      return {
        text: `${counted(zeroedRows, "neuron")} zeroed in ${out} (${formatBytes(bytesWritten)} written)\n`,
        json: { out, zeroedRows, bytesWritten, rewritten, copied, linked, leftOut },
      };
    } finally {
      await checkpoint.close();
    }
  },
});
