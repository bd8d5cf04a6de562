/**
 * `--shard` of `score` and `search`: one part of the work, its partial, and what is skipped because it is there
 * already.
 */
import { lstat, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../checkpoint/strict_json.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { digestExamples } from "../method/example_digest.ts";
import type { Jsonable } from "../method/json.ts";
import {
  type Partial,
  partialDifference,
  partialFolder,
  type PartialHeader,
  partialName,
  type PartialStep,
  readPartial,
  readPartialDescription,
  writePartial,
} from "../method/partial_file.ts";
import { parseShard, type Shard } from "../method/shard.ts";
import type { Example } from "../tasks/example.ts";
import type { OptionTable } from "./arguments.ts";
import type { CommandContext, CommandResult } from "./command.ts";
import { CommandError, UsageError } from "./errors.ts";
import { withFolderLock } from "./folder_lock.ts";
import { partialPaths } from "./parts.ts";
import { type EngineChoice, engineSettings, type Work } from "./session.ts";
import { counted, formatEngine } from "./text.ts";

export const shardOptions = {
  shard: {
    type: "text",
    placeholder: "I/N",
    description:
      `Do only part I of N and write it into ${partialFolder}/ of --out, for \`merge\`. \`auto\` takes both from a Slurm ` +
      "array, `auto/N` also I from a Kubernetes indexed job. A part that is there is not computed again.",
  },
} as const satisfies OptionTable;

/** @throws {UsageError} If the text names no shard. */
export function readShard(text: string): Shard {
  try {
    return parseShard(text, (name) => Deno.env.get(name));
  } catch (error) {
    throw new UsageError((error as Error).message, "give --shard I/N, such as --shard 2/6.");
  }
}

/** The arguments without `--shard`, which differ from shard to shard. */
function withoutShard(typed: readonly string[]): string[] {
  return typed.filter((word, index) => !/^--shard(=|$)/.test(word) && typed[index - 1] !== "--shard");
}

/** What a shard is to compute. */
export interface ShardJob {
  readonly step: PartialStep;
  readonly shard: Shard;
  readonly out: string;
  /** The examples that are read, before any filter. */
  readonly examples: readonly Example[];
  /** Digest of the scores that are searched over; empty for scoring. */
  readonly scores: string;
  /** The settings with their defaults filled in. */
  readonly settings: Json;
  readonly compute: (engine: Engine) => Promise<Pick<Partial, "arrays" | "more" | "settings" | "unitCount" | "units">>;
}

/**
 * Refuses to write a part beside those of another job, with which it could not be merged.
 *
 * @throws {CommandError} If the first readable part of the same step differs.
 */
async function refuseForeign(out: string, ours: Omit<PartialHeader, "unitCount">): Promise<void> {
  for (const path of await partialPaths(out, ours.step)) {
    // What cannot be read is named by `status` and by `merge`.
    const there = await readPartialDescription(path).catch(() => null);
    if (there === null) continue;
    const difference = partialDifference({ ...ours, unitCount: there.unitCount }, there);
    // Those that are there agree with each other, so one stands for all.
    if (difference === undefined) return;
    throw new CommandError(
      `${out} has a part of another job, ${path}: it has another ${difference}`,
      "repeat the command as that job was given, or name another folder with --out.",
    );
  }
}

/** Computes a shard and writes its partial, unless it is there. */
export async function runShard(
  { checkpoint, provenance }: Work,
  options: EngineChoice,
  context: CommandContext,
  job: ShardJob,
): Promise<CommandResult> {
  const { step, shard, out } = job;
  const { signal, typed } = context;
  const { family, layers, width, neurons } = checkpoint.config;
  const examples = digestExamples(job.examples);
  const known = {
    step,
    shard,
    inputs: { model: provenance.weights, examples, scores: job.scores },
    provenance: { ...provenance, examples },
    model: { family, layers, width, neurons },
    settings: job.settings,
    arguments: withoutShard(typed),
  };
  const folder = join(out, partialFolder);
  const file = join(folder, partialName(step, shard));
  const describe = (partial: Pick<Partial, "units" | "unitCount" | "engine">, done: "skipped" | "written") => ({
    text: `shard ${shard.index} of ${shard.count}: ${partial.units.length} of ${
      counted(partial.unitCount, step === "score" ? "path" : "cell")
    }, ${partial.engine}\n${done === "written" ? "Written" : "There already"}: ${file}\n`,
    json: {
      file,
      done,
      step,
      shard: { ...shard },
      units: [...partial.units],
      unitCount: partial.unitCount,
      engine: partial.engine,
    } satisfies Jsonable,
  });
  if (await lstat(file).then(() => true, () => false)) {
    const there = await readPartial(file);
    const difference = partialDifference({ ...known, engine: "", unitCount: there.unitCount, units: [] }, there);
    if (difference) {
      throw new CommandError(
        `${file} is of another job: it has another ${difference}`,
        "repeat the command as it was, or name another folder with --out.",
      );
    }
    return describe(there, "skipped");
  }
  await refuseForeign(out, { ...known, engine: "", units: [] });
  // A lock for each shard: others write theirs into the same folder.
  const workplace = join(folder, `.${step}-${shard.index}-of-${shard.count}`);
  const result = await withFolderLock(workplace, async () => {
    const engine = await openEngine(checkpoint, { engine: options.engine, ...engineSettings(options, context) });
    try {
      const found = await job.compute(engine);
      signal.throwIfAborted();
      const { kind, details } = engine.info;
      const partial = {
        ...known,
        ...found,
        engine: formatEngine(engine.info) + (kind === "webgpu" ? `, ${details.kernels} kernels` : ""),
      };
      await writePartial(file, partial);
      return describe(partial, "written");
    } finally {
      await engine.close();
    }
  });
  await rmdir(workplace).catch(() => {});
  return result;
}
