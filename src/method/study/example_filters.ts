/**
 * Which examples to score: all, or only those the unmodified model answers rightly, wrongly, or with confidence. Every
 * arm scores as many examples and chooses its cell on the same ones, so only the ranking differs.
 */
import { keptExamples, type SampleFilter, sampleFilters } from "../filter.ts";
import { integer, list, oneOf, record, type Schema } from "../schema.ts";
import {
  type ArmPlan,
  type Attempt,
  attemptFromSearch,
  compareArms,
  type Comparison,
  comparisonSchema,
} from "./comparison.ts";
import { drawsOf, scoreDraw, searchDraw, stepOf, type StudySubject } from "./subject.ts";

/** The comparison of filters. */
export interface FilterStudy {
  /** Rows of the pool that each filter keeps. */
  readonly kept: readonly {
    /** Which examples. */
    readonly filter: SampleFilter;
    /** How many it keeps. */
    readonly rows: number;
  }[];
  /** Filters that keep too few rows for a draw. */
  readonly leftOut: readonly SampleFilter[];
  /** The arms and their test answers. */
  readonly comparison: Comparison;
}

/** Reads the comparison of filters. */
export const filterSchema: Schema<FilterStudy> = record({
  kept: list(record({
    filter: oneOf(...sampleFilters),
    rows: integer,
  })),
  leftOut: list(oneOf(...sampleFilters)),
  comparison: comparisonSchema,
});

const about: Readonly<Record<SampleFilter, string>> = {
  all: "whatever is drawn",
  correct: "examples that the unmodified model answers rightly",
  incorrect: "examples that it answers wrongly",
  confident: "examples that it answers with confidence, rightly or wrongly",
};

/** Compares the filters over every draw. */
export async function studyFilters(subject: StudySubject): Promise<FilterStudy> {
  const { engine, pool, settings: { size, score: { confidence }, search: { metric } } } = subject;
  const [logProbs] = await engine.choiceLogProbs(pool, [[]], stepOf(subject, "filters"));
  const draws = drawsOf(subject);
  const kept: { filter: SampleFilter; rows: number }[] = [];
  const leftOut: SampleFilter[] = [];
  const arms: ArmPlan[] = [];
  for (const filter of sampleFilters) {
    const rows = keptExamples(pool, logProbs, { filter, metric, confidence });
    kept.push({ filter, rows: rows.length });
    if (rows.length < size) {
      leftOut.push(filter);
      continue;
    }
    const attempts: Attempt[] = [];
    for (const [index, { seed, examples }] of drawsOf(subject, size, rows).entries()) {
      const step = `${filter} examples, seed ${seed}`;
      const scored = await scoreDraw(subject, examples, step, { filter: "all" });
      attempts.push(
        attemptFromSearch(
          draws[index],
          await searchDraw(subject, draws[index].examples, scored.scores, step),
          scored,
        ),
      );
    }
    arms.push({ name: filter, about: about[filter], attempts });
  }
  return { kept, leftOut, comparison: await compareArms(subject, arms, "filters") };
}
