/** `secateur status`: how far a sharded job is, from the parts alone. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { runFileNames } from "../method/files.ts";
import type { Jsonable } from "../method/json.ts";
import {
  missingUnits,
  type PartialDescription,
  partialDifference,
  partialFolder,
  type PartialStep,
  readPartialDescription,
} from "../method/partial_file.ts";
import { defineCommand } from "./command.ts";
import { CommandError } from "./errors.ts";
import { begunShards, formatRanges, missingShards, partialPaths } from "./parts.ts";
import { checkFolders } from "./report.ts";
import { counted } from "./text.ts";

/** Commands that the text spells out. */
const shown = 5;

/** What merging a step writes. */
const merged: Readonly<Record<PartialStep, readonly string[]>> = {
  score: [runFileNames.scores],
  search: [runFileNames.grid, runFileNames.plan],
};

/** How far one step is. */
interface StepStatus {
  readonly step: PartialStep;
  /** Shards of the job, and those without a part. */
  readonly shards: number;
  readonly missing: readonly number[];
  /** Missing ones that were begun: at work, or killed. */
  readonly begun: readonly number[];
  /** Paths or cells, and how many the parts have. */
  readonly units: number;
  readonly unitsDone: number;
  readonly commands: readonly string[];
  /** What computed the parts, and how many. */
  readonly engines: Readonly<Record<string, number>>;
  /** Files that are no parts of this job, each with the reason. */
  readonly refused: readonly { readonly file: string; readonly reason: string }[];
  /** Whether what merging writes is there. */
  readonly merged: boolean;
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then((status) => status.isFile(), () => false);
}

/** Null where the step has no parts. */
async function stepStatus(folder: string, step: PartialStep): Promise<StepStatus | null> {
  const paths = await partialPaths(folder, step);
  if (paths.length === 0) return null;
  const partials: PartialDescription[] = [];
  const refused: { file: string; reason: string }[] = [];
  for (const path of paths) {
    try {
      const partial = await readPartialDescription(path);
      const difference = partials.length > 0 ? partialDifference(partials[0], partial) : undefined;
      if (difference === undefined) partials.push(partial);
      else refused.push({ file: path, reason: `it has another ${difference}` });
    } catch (error) {
      refused.push({ file: path, reason: (error as Error).message });
    }
  }
  const engines: Record<string, number> = {};
  for (const { engine } of partials) engines[engine] = (engines[engine] ?? 0) + 1;
  const { count, shards, commands } = missingShards(partials);
  const complete = partials.length > 0 && missingUnits(partials).length === 0;
  const begun = await begunShards(folder, step, count);
  const files = await Promise.all(merged[step].map((name) => isThere(join(folder, name))));
  return {
    step,
    shards: count,
    missing: complete ? [] : shards,
    begun: begun.filter((index) => shards.includes(index)),
    units: partials[0]?.unitCount ?? 0,
    unitsDone: partials.length === 0 ? 0 : partials[0].unitCount - missingUnits(partials).length,
    commands: complete ? [] : commands,
    engines,
    refused,
    merged: files.every(Boolean),
  };
}

function describeStep(folder: string, status: StepStatus): string[] {
  const { step, shards, missing, begun, units, unitsDone, commands, engines, refused } = status;
  const lines = [
    `${step}: ${shards - missing.length} of ${counted(shards, "shard")}, ${unitsDone} of ${
      counted(units, step === "score" ? "path" : "cell")
    }${missing.length > 0 ? "" : status.merged ? ", merged" : ", ready to merge"}`,
    ...Object.entries(engines).map(([engine, count]) => `  computed by ${engine}: ${counted(count, "part")}`),
    ...refused.map(({ file, reason }) => `  refused ${file}: ${reason}`),
  ];
  if (missing.length > 0) {
    lines.push(`  missing: ${formatRanges(missing)}${begun.length > 0 ? `; begun: ${formatRanges(begun)}` : ""}`);
    lines.push(...commands.slice(0, shown).map((command) => `    ${command}`));
    if (commands.length > shown) lines.push(`    and ${commands.length - shown} more`);
  } else if (!status.merged) {
    lines.push(`  next: secateur merge ${folder} --step ${step}`);
  }
  return lines;
}

export const status = defineCommand({
  name: "status",
  summary: "Say how far a job in shards is.",
  description:
    `Reads what the files in ${partialFolder}/ of DIR say of themselves: how many shards of scoring and search are there, which\n` +
    "are missing and the commands that make them, and what computed them. Needs neither the model nor the scheduler, and\n" +
    "does not check the numbers; `merge` does.",
  example: "status out/demo-shards",
  words: "DIR",
  options: {},
  run: async (_options, _context, words) => {
    await checkFolders(words, ["DIR"], "status", "the --out of a job in shards");
    const [folder] = words;
    const steps: StepStatus[] = [];
    for (const step of ["score", "search"] as const) {
      const found = await stepStatus(folder, step);
      if (found) steps.push(found);
    }
    if (steps.length === 0) {
      throw new CommandError(
        `${folder} has no parts yet`,
        `score --shard writes the first into ${join(folder, partialFolder)}.`,
      );
    }
    return {
      text: `${steps.flatMap((step) => describeStep(folder, step)).join("\n")}\n`,
      json: {
        folder,
        steps: steps.map((step): Jsonable => ({ ...step, refused: step.refused.map((one) => ({ ...one })) })),
      },
    };
  },
});
