/** What every part of a study works on: one model, one task, its draws of adaptation examples, one protocol. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Engine, Intervention, RunOptions } from "../../engine/engine.ts";
import type { Example } from "../../tasks/example.ts";
import { findShared } from "../../tasks/draw.ts";
import type { TextWindows } from "../../tasks/text_windows.ts";
import type { Tokenizer } from "../../tasks/tokenizer.ts";
import { drawRows } from "../../tasks/sample.ts";
import type { OtherTask } from "../damage.ts";
import { evaluate, type Evaluation } from "../evaluate.ts";
import type { NeuronScores } from "../neuron_scores.ts";
import { renameStages, runOptionsOf } from "../progress.ts";
import { decidingOptions, scoreNeurons, type ScoreOptions, type ScoreResult } from "../score.ts";
import { searchGrid, type SearchResult } from "../search.ts";
import { OptionError } from "../../text/option_error.ts";
import type { StudySettings } from "./settings.ts";

/** One model on one task. */
export interface StudySubject extends RunOptions {
  /** The model. One that remembers (`createCachedEngine`) lets the parts share what they compute. */
  readonly engine: Engine;
  /** Its weights, for the rankings that look at weights. */
  readonly checkpoint: Pick<Checkpoint, "config" | "readF32">;
  /** Name of the task. */
  readonly task: string;
  /** The examples that adaptation examples are drawn from. */
  readonly pool: readonly Example[];
  /** The examples that nothing is chosen on. */
  readonly test: readonly Example[];
  /**
   * Test examples, all of them by default, with worked examples in front of each, named by their ids in the pool;
   * missing where that cannot be had.
   */
  readonly testWithWorked?: (worked: readonly string[], test?: readonly string[]) => Promise<readonly Example[]>;
  /** Opens a float64 engine over the same model, for Integrated Hessians; missing to leave them out. */
  readonly referenceEngine?: () => Promise<Engine>;
  /** Rows like those the model was trained on, where a shortcut may hold that does not hold on the test rows. */
  readonly train?: readonly Example[];
  /** A mark of every test row, such as whether a shortcut speaks for its label. */
  readonly marks?: { readonly column: string; readonly values: readonly string[] };
  /** Examples of what must stay as it is, for contrast. */
  readonly retained?: { readonly name: string; readonly pool: readonly Example[] };
  /** Tasks and texts that a plan for this task may damage. */
  readonly elsewhere?: { readonly tasks?: readonly OtherTask[]; readonly texts?: readonly TextWindows[] };
  /** Turns token ids into text. */
  readonly tokenizer?: Pick<Tokenizer, "tokenText" | "decode">;
  /** The protocol. */
  readonly settings: StudySettings;
}

/** One draw of adaptation examples. */
export interface Draw {
  /** Of the draw, and of everything random that belongs to it. */
  readonly seed: number;
  /** The examples, in the order drawn. */
  readonly examples: readonly Example[];
}

/**
 * Checks that a subject can be studied.
 *
 * @throws {RangeError} If there are no test examples, the pool is too small, or a pool example is a test example.
 */
export function checkSubject({ task, pool, test, settings }: StudySubject): void {
  if (test.length === 0) {
    throw new RangeError(`Cannot study task ${task}: it has 0 test examples, expected at least one`);
  }
  if (pool.length < settings.size) {
    throw new OptionError(
      `Cannot draw ${settings.size} adaptation examples of task ${task}: the pool has ${pool.length} rows`,
    );
  }
  const shared = findShared(pool, test);
  if (shared) {
    throw new OptionError(
      `Cannot study task ${task}: example ${shared.id} is in the pool and in the test split, expected different splits`,
    );
  }
}

/** Pool examples whose tokens are also those of a test example: a leak that ids do not show. */
export function countLeaked({ pool, test }: Pick<StudySubject, "pool" | "test">): number {
  const text = ({ prompt }: Example) => prompt.join();
  const asked = new Set(test.map(text));
  return pool.filter((example) => asked.has(text(example))).length;
}

/** Every draw of `size` examples of the pool. A smaller draw of the same seed is the start of a larger one if plain. */
export function drawsOf({ pool, settings }: StudySubject, size = settings.size, among = pool): Draw[] {
  const golds = among.map((example) => example.gold);
  return Array.from({ length: settings.redraws }, (_, redraw): Draw => {
    const seed = settings.seed + redraw;
    const rows = drawRows(golds, { count: size, seed, sampling: settings.sampling });
    return { seed, examples: rows.map((row) => among[row]) };
  });
}

/** The run options of one step of a part, its progress named after it. */
export function stepOf(subject: StudySubject, step: string): RunOptions {
  return renameStages(runOptionsOf(subject), (stage) => `${subject.task}, ${step}: ${stage}`);
}

/** Scores of a draw by the study's own settings, some of them replaced. */
export async function scoreDraw(
  subject: StudySubject,
  examples: readonly Example[],
  step: string,
  options: ScoreOptions = {},
): Promise<ScoreResult> {
  return await scoreNeurons(subject.engine, examples, {
    ...decidingOptions({ ...subject.settings.score, ...options }),
    ...stepOf(subject, step),
  });
}

/** The study's own grid and selection rule over an order of neurons. */
export async function searchDraw(
  subject: StudySubject,
  examples: readonly Example[],
  scores: NeuronScores,
  step: string,
): Promise<SearchResult> {
  return await searchGrid(subject.engine, examples, scores, { ...subject.settings.search, ...stepOf(subject, step) });
}

/** The chosen configuration of a search as what an engine takes. */
export function chosenIntervention({ site, configurations, chosen, neurons }: SearchResult): Intervention {
  const { layer } = configurations[chosen];
  return layer === null || neurons.length === 0 ? [] : [{ layer, site, neurons }];
}

/** The test examples under every intervention, in one call. */
export async function testUnder(
  subject: StudySubject,
  interventions: readonly Intervention[],
  step: string,
): Promise<Evaluation[]> {
  return await evaluate(subject.engine, subject.test, { ...stepOf(subject, step), interventions });
}
