/**
 * Contrast: neurons that also matter for a retained set are spared. What that costs on the task, and what it saves
 * there.
 */
import { contrastModes, contrastScores } from "../contrast.ts";
import { list, number, record, type Schema, text } from "../schema.ts";
import { evaluate } from "../evaluate.ts";
import { OptionError } from "../../text/option_error.ts";
import {
  type ArmPlan,
  type Attempt,
  attemptFromSearch,
  compareArms,
  type Comparison,
  comparisonSchema,
  summarySchema,
} from "./comparison.ts";
import { type RedrawSummary, summarise } from "./statistics.ts";
import { drawsOf, scoreDraw, searchDraw, stepOf, type StudySubject } from "./subject.ts";

/** Contrast with a retained set. */
export interface ContrastStudy {
  /** What is retained. */
  readonly retained: string;
  /** The arms and their test answers. */
  readonly comparison: Comparison;
  /** Accuracy on the retained rows that no draw of the retained set used, or on all of them where none is left. */
  readonly kept: {
    /** Number of rows. */
    readonly rows: number;
    /** Of the unmodified model. */
    readonly unpruned: number;
    /** In the order of the arms. */
    readonly arms: readonly RedrawSummary[];
  };
}

/** Reads the contrast with a retained set. */
export const contrastSchema: Schema<ContrastStudy> = record({
  retained: text,
  comparison: comparisonSchema,
  kept: record({ rows: number, unpruned: number, arms: list(summarySchema) }),
});

/** Most retained rows that accuracy is measured on. */
const keptRows = 512;

/**
 * Compares scores with and without contrast over every draw.
 *
 * @throws {RangeError} If there is no retained set, or it is smaller than a draw.
 */
export async function studyContrast(subject: StudySubject): Promise<ContrastStudy> {
  const { engine, retained, settings: { size, search: { metric } } } = subject;
  if (!retained) throw new RangeError(`Cannot contrast task ${subject.task} with nothing: expected a retained set`);
  if (retained.pool.length < size) {
    throw new OptionError(`Cannot draw ${size} retained examples: ${retained.name} has ${retained.pool.length} rows`);
  }
  const draws = drawsOf(subject);
  const retainedDraws = drawsOf(subject, size, retained.pool);
  const plain: Attempt[] = [];
  const contrasted: Attempt[][] = contrastModes.map(() => []);
  for (const [index, draw] of draws.entries()) {
    const step = `contrast, seed ${draw.seed}`;
    const { scores } = await scoreDraw(subject, draw.examples, step);
    const other = await scoreDraw(subject, retainedDraws[index].examples, step, { filter: "all" });
    plain.push(attemptFromSearch(draw, await searchDraw(subject, draw.examples, scores, step), null));
    for (const [which, mode] of contrastModes.entries()) {
      const own = contrastScores(scores, other.scores, { mode });
      contrasted[which].push(attemptFromSearch(draw, await searchDraw(subject, draw.examples, own, step), null));
    }
  }
  const arms: ArmPlan[] = [
    { name: "no contrast", about: "the paper's protocol", attempts: plain },
    ...contrastModes.map((mode, which) => ({
      name: mode,
      about: mode === "subtract" ? "the size of the retained score is subtracted" : "scores are divided by that size",
      attempts: contrasted[which],
    })),
  ];
  const comparison = await compareArms(subject, arms, "contrast");

  const used = new Set(retainedDraws.flatMap(({ examples }) => examples));
  const unused = retained.pool.filter((example) => !used.has(example));
  const rows = (unused.length > 0 ? unused : retained.pool).slice(0, keptRows);
  const interventions = [[], ...arms.flatMap(({ attempts }) => attempts.map(({ intervention }) => intervention))];
  const answers = await evaluate(engine, rows, { ...stepOf(subject, "retained rows"), interventions });
  const accuracies = answers.map(({ scores }) => scores[metric].accuracy);
  return {
    retained: retained.name,
    comparison,
    kept: {
      rows: rows.length,
      unpruned: accuracies[0],
      arms: arms.map((_, arm) => summarise(accuracies.slice(1 + arm * draws.length, 1 + (arm + 1) * draws.length))),
    },
  };
}
