/**
 * The parts of a sharded job in an output folder: which are there, which are missing, and the commands that make those.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type PartialDescription, partialFolder, type PartialStep } from "../method/partial_file.ts";
import { commandLine } from "../report/command_line.ts";

/** Paths of the partials of one step in an output folder, sorted; none where the folder is not there. */
export async function partialPaths(folder: string, step: PartialStep): Promise<string[]> {
  const parts = join(folder, partialFolder);
  const names = await readdir(parts).catch(() => []);
  return names.filter((name) => name.startsWith(`${step}-`) && name.endsWith(".safetensors")).sort()
    .map((name) => join(parts, name));
}

/** Shards of one step that somebody began and did not finish: at work now, or killed. Ascending. */
export async function begunShards(folder: string, step: PartialStep, count: number): Promise<number[]> {
  const names = await readdir(join(folder, partialFolder)).catch(() => []);
  const pattern = new RegExp(`^\\.${step}-(\\d+)-of-${count}$`);
  return names.flatMap((name) => Number(pattern.exec(name)?.[1] ?? [])).filter((index) => index > 0)
    .sort((a, b) => a - b);
}

/** Shards without a partial, of the largest number of shards that a partial names; and the commands that make them. */
export function missingShards(
  partials: readonly PartialDescription[],
): { readonly count: number; readonly shards: number[]; readonly commands: string[] } {
  const count = partials.reduce((most, { shard }) => Math.max(most, shard.count), 0);
  const of = partials.filter(({ shard }) => shard.count === count);
  const there = new Set(of.map(({ shard }) => shard.index));
  const shards = Array.from({ length: count }, (_, index) => index + 1).filter((index) => !there.has(index));
  return {
    count,
    shards,
    commands: shards.map((index) => commandLine([...of[0].arguments, "--shard", `${index}/${count}`])),
  };
}

/** Ascending numbers as ranges, as Slurm writes an array: `1-3,7`. */
export function formatRanges(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => from === to ? String(from) : `${from}-${to}`).join(",");
}
