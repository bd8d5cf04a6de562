/**
 * Answers to test examples that outlive an interruption: they are asked in blocks of examples, and each block is kept
 * in a folder until the run is complete. A block that is there is read back to the bit; one that is not is asked in the
 * same call as in an undisturbed run.
 */
import { rm } from "node:fs/promises";
import { hashOf, openTensorStore, type TensorStore } from "../checkpoint/tensor_store.ts";
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import { type Example, tokensRead } from "../tasks/example.ts";
import { interventionKey } from "./evaluate.ts";
import { digestExamples } from "./example_digest.ts";

/** Rows of the model's matrices in a block, about: several waves of a GPU, and little to lose on a slow one. */
const rowsOfBlock = 32_768;

/** How answers are kept. */
export interface KeptAnswersOptions {
  /** What decides the answers besides the examples: weights, versions, adapter. */
  readonly namespace: string;
  /** Rows of a block, at most, unless one example has more. Default 32,768. */
  readonly rowsPerBlock?: number;
}

/** Asks an engine, and remembers. */
export interface KeptAnswers extends Pick<Engine, "choiceLogProbs"> {
  /** Whether some answers were there already. */
  readonly hasFound: boolean;
}

/** Examples that are asked together. */
function cutBlocks(examples: readonly Example[], interventions: number, most: number): Example[][] {
  const blocks: Example[][] = [];
  let rows = Infinity;
  for (const example of examples) {
    const own = tokensRead(example) * (example.prompts?.length ?? 1) * interventions;
    if (rows + own > most) {
      blocks.push([]);
      rows = 0;
    }
    blocks.at(-1)!.push(example);
    rows += own;
  }
  return blocks;
}

/**
 * Whether numbers can be the answers to examples. Those that are not finite are the fault of a moment, or of an engine
 * that will say so: kept, they would outlive its mending.
 */
function areAnswers(flat: ArrayLike<number>, interventions: number, examples: readonly Example[]): boolean {
  const choices = examples.reduce((sum, example) => sum + example.choices.length, 0);
  return flat.length === interventions * choices && Array.from(flat).every(Number.isFinite);
}

/** The answers `[intervention][example][choice]` that lie one after the other in a list. */
function unflatten(flat: ArrayLike<number>, interventions: number, examples: readonly Example[]): Float64Array[][] {
  let next = 0;
  return Array.from(
    { length: interventions },
    () => examples.map(({ choices }) => Float64Array.from(choices, () => flat[next++])),
  );
}

/**
 * Keeps the answers of an engine in a folder, which is made when the first is asked for; nobody else may write into it
 * meanwhile. A file of the folder that is damaged, if only in one bit, is as good as none: it is deleted, and its block
 * is asked again.
 *
 * @param engine Asked for what is missing. Answers are those of one call only if it gives an example the same bits
 * whatever else is asked (`batchInvariant`).
 */
export function keepAnswers(
  engine: Pick<Engine, "choiceLogProbs">,
  folder: string,
  { namespace, rowsPerBlock = rowsOfBlock }: KeptAnswersOptions,
): KeptAnswers {
  let store: TensorStore | undefined;
  let hasFound = false;
  return {
    get hasFound() {
      return hasFound;
    },
    async choiceLogProbs(
      examples: readonly Example[],
      interventions: readonly Intervention[],
      { signal, onProgress }: RunOptions = {},
    ): Promise<Float64Array[][]> {
      store ??= await openTensorStore(folder, { damaged: "remove" });
      const question = [namespace, ...interventions.map(interventionKey)];
      const answers = interventions.map((): Float64Array[] => []);
      let first = 0;
      let takenOver = 0;
      const total = examples.length * interventions.length;
      for (const block of cutBlocks(examples, interventions.length, rowsPerBlock)) {
        signal?.throwIfAborted();
        const name = hashOf([...question, digestExamples(block)].join("\n"));
        let flat = await store.get(name);
        if (flat && areAnswers(flat, interventions.length, block)) {
          hasFound = true;
          takenOver += block.length * interventions.length;
        } else {
          const before = first;
          const there = takenOver > 0 ? { takenOver } : {};
          const found = await engine.choiceLogProbs(block, interventions, {
            ...(signal && { signal }),
            ...(onProgress && {
              onProgress: ({ done, total: all, ...progress }) => {
                const prompts = (before + block.length * done / Math.max(1, all)) * interventions.length;
                onProgress({ ...progress, done: Math.round(prompts), total, ...there });
              },
            }),
          });
          flat = Float64Array.from(found.flatMap((rows) => rows.flatMap((row) => [...row])));
          if (areAnswers(flat, interventions.length, block)) await store.put(new Map([[name, flat]]));
        }
        for (const [index, rows] of unflatten(flat, interventions.length, block).entries()) {
          answers[index].push(...rows);
        }
        first += block.length;
      }
      return answers;
    },
  };
}

/** Forgets the answers in a folder, if there are any. */
export async function removeKeptAnswers(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
