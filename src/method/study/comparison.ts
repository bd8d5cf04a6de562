/**
 * Ways to prune compared over redraws: each arm's answers to the test examples, beside those of the unmodified model.
 * Most parts of a study are such a comparison.
 */
import type { Intervention } from "../../engine/engine.ts";
import type { Example } from "../../tasks/example.ts";
import { scoreExamples } from "../../tasks/scoring.ts";
import { boolean, integer, list, nullable, number, optional, record, type Schema, text } from "../schema.ts";
import type { ScoreResult } from "../score.ts";
import type { SearchResult } from "../search.ts";
import { mcnemarTest, pairedDifference, type RedrawSummary, summarise } from "./statistics.ts";
import { chosenIntervention, type Draw, stepOf, type StudySubject, testUnder } from "./subject.ts";

/** Reads a summary over redraws. */
export const summarySchema: Schema<RedrawSummary> = record({
  mean: number,
  /** Sample standard deviation; null for a single redraw. */
  standardDeviation: nullable(number),
  lowest: number,
  highest: number,
});

/** Reads a range. */
export const intervalSchema: Schema<readonly [number, number]> = (value, where) => {
  const ends = list(number)(value, where);
  if (ends.length === 2) return [ends[0], ends[1]];
  throw new SyntaxError(`${where} has ${ends.length} numbers, expected 2`);
};

/** One redraw of an arm. */
export interface ArmRedraw {
  /** Of the draw. */
  readonly seed: number;
  /** Ids of the adaptation examples that neurons were scored on. */
  readonly examples: readonly string[];
  /** What was chosen; null where nothing is pruned by layer and fraction. */
  readonly chosen: {
    /** Null for the unmodified model. */
    readonly layer: number | null;
    /** Of the layer's neurons; 0 for the unmodified model. */
    readonly fraction: number;
    /** Neurons switched off. */
    readonly neurons: number;
    /** On the examples that the choice was made on. */
    readonly accuracy: number;
  } | null;
  /** Neurons that are switched off. */
  readonly neurons: number;
  /** Configurations as accurate as the chosen one, itself included; null where none was chosen by accuracy. */
  readonly tiedOnAccuracy: number | null;
  /** Of the scoring; null where nothing was integrated. */
  readonly worstCompletenessError: number | null;
  /** Test rows answered rightly. */
  readonly correct: number;
  /** `correct` over the number of test rows. */
  readonly accuracy: number;
  /** Test rows that only this arm answers rightly. */
  readonly gained: number;
  /** Test rows that only the unmodified model answers rightly. */
  readonly lost: number;
  /** McNemar's exact test of `gained` against `lost`. */
  readonly pValue: number;
}

const outcomeSchema: Schema<ArmRedraw> = record({
  seed: integer,
  examples: list(text),
  chosen: nullable(record({
    layer: nullable(integer),
    fraction: number,
    neurons: integer,
    accuracy: number,
  })),
  neurons: integer,
  tiedOnAccuracy: nullable(integer),
  worstCompletenessError: nullable(number),
  correct: integer,
  accuracy: number,
  gained: integer,
  lost: integer,
  pValue: number,
});

/** One arm over the redraws. */
export interface ComparedArm {
  /** Such as `random`. */
  readonly name: string;
  /** What it is, in a sentence. */
  readonly about: string;
  /** In the order of the seeds. */
  readonly redraws: readonly ArmRedraw[];
  /** Test accuracy over the redraws. */
  readonly accuracy: RedrawSummary;
  /** Gain over the unmodified model, each test row averaged over the redraws; interval and test over the rows. */
  readonly gain: {
    /** Mean over the test rows. */
    readonly mean: number;
    /** 95 % bootstrap interval over the rows. */
    readonly interval: readonly [number, number];
    /** Two-sided sign-flip test over the rows. */
    readonly pValue: number;
  };
  /** Redraws with a lower test accuracy than the unmodified model. */
  readonly harmed: number;
  /** Whether something had to be left out, as `about` says. */
  readonly isPartial: boolean;
}

/** Reads one arm. */
export const armSchema: Schema<ComparedArm> = record({
  name: text,
  about: text,
  redraws: list(outcomeSchema),
  accuracy: summarySchema,
  gain: record({
    mean: number,
    interval: intervalSchema,
    pValue: number,
  }),
  harmed: integer,
  isPartial: boolean,
});

/** Ways to prune compared over redraws. */
export interface Comparison {
  /** Test rows. */
  readonly rows: number;
  /** The unmodified model. */
  readonly unpruned: {
    /** Test rows answered rightly. */
    readonly correct: number;
    /** `correct` over the number of test rows. */
    readonly accuracy: number;
    /** Null for a single row. */
    readonly standardError: number | null;
  };
  /** In the order they are reported. */
  readonly arms: readonly ComparedArm[];
  /** An arm that could not be made, and why; absent where all could. */
  readonly leftOut?: string;
  /** What was measured to get here. */
  readonly tried: {
    /** Configurations measured on adaptation examples, over all arms and redraws. */
    readonly configurations: number;
    /** Different plans evaluated on the test rows, none of which was chosen there. */
    readonly testPlans: number;
  };
}

/** Reads a comparison. */
export const comparisonSchema: Schema<Comparison> = record({
  rows: integer,
  unpruned: record({
    correct: integer,
    accuracy: number,
    standardError: nullable(number),
  }),
  arms: list(armSchema),
  leftOut: optional(text),
  tried: record({
    configurations: integer,
    testPlans: integer,
  }),
});

/** What an arm does in one redraw. */
export interface Attempt {
  /** The draw it belongs to. */
  readonly draw: Draw;
  /** The examples it was scored on; by default those of the draw. */
  readonly scoredOn?: readonly { readonly id: string }[];
  /** What is switched off. */
  readonly intervention: Intervention;
  /** What was chosen, if it is a cell of a grid. */
  readonly chosen: ArmRedraw["chosen"];
  /** Configurations as accurate as the chosen one. */
  readonly tiedOnAccuracy: number | null;
  /** Configurations measured to find it. */
  readonly tried: number;
  /** Of the scoring. */
  readonly worstCompletenessError: number | null;
  /** Other wordings of the test examples to ask, in the same order. */
  readonly test?: readonly Example[];
}

/** An arm before it is evaluated. */
export interface ArmPlan {
  /** Such as `random`. */
  readonly name: string;
  /** A sentence. */
  readonly about: string;
  /** One per redraw. */
  readonly attempts: readonly Attempt[];
  /** Whether something had to be left out. Default false. */
  readonly isPartial?: boolean;
}

/** An attempt that a grid search made. */
export function attemptFromSearch(draw: Draw, searched: SearchResult, scored: ScoreResult | null): Attempt {
  const { layer, fraction, neurons, accuracy } = searched.configurations[searched.chosen];
  return {
    draw,
    ...(scored && { scoredOn: scored.examples.map((id) => ({ id })) }),
    intervention: chosenIntervention(searched),
    chosen: { layer, fraction, neurons, accuracy },
    tiedOnAccuracy: searched.tiedOnAccuracy,
    tried: searched.configurations.length,
    worstCompletenessError: scored && scored.completenessError.worst,
  };
}

/** Neurons that an intervention switches off. */
export function countNeurons(intervention: Intervention): number {
  return intervention.reduce((sum, mask) => sum + mask.neurons.length, 0);
}

/** Whether each test row is answered rightly by every attempt of every arm, and by the unmodified model. */
async function askAll(subject: StudySubject, arms: readonly ArmPlan[], step: string) {
  const { engine, test, settings: { search: { metric } } } = subject;
  const plain = arms.flatMap((arm) => arm.attempts).filter((attempt) => attempt.test === undefined);
  const interventions = [[], ...plain.map(({ intervention }) => intervention)];
  const evaluations = await testUnder(subject, interventions, step);
  const correct = new Map(plain.map((attempt, index) => [attempt, evaluations[index + 1].scores[metric].correct]));
  for (const attempt of arms.flatMap((arm) => arm.attempts)) {
    if (attempt.test === undefined) continue;
    const [logProbs] = await engine.choiceLogProbs(attempt.test, [attempt.intervention], stepOf(subject, step));
    correct.set(attempt, scoreExamples(attempt.test, logProbs, metric).correct);
  }
  const distinct = new Set(
    plain.map(({ intervention }) =>
      intervention.map(({ layer, site, neurons }) => `${layer} ${site} ${neurons.join()}`).join(";")
    ),
  );
  const prompted = arms.flatMap((arm) => arm.attempts).length - plain.length;
  return { unpruned: evaluations[0].scores[metric], correct, rows: test.length, testPlans: distinct.size + prompted };
}

/**
 * Evaluates every arm of every redraw on the test examples, all plans in one call.
 *
 * @param step Name of the part, for progress.
 */
export async function compareArms(
  subject: StudySubject,
  arms: readonly ArmPlan[],
  step: string,
): Promise<Comparison> {
  const { unpruned, correct, rows, testPlans } = await askAll(subject, arms, step);
  const before = unpruned.correct;
  return {
    rows,
    unpruned: {
      correct: before.filter(Boolean).length,
      accuracy: unpruned.accuracy,
      standardError: Number.isFinite(unpruned.standardError) ? unpruned.standardError : null,
    },
    arms: arms.map(({ name, about, attempts, isPartial = false }): ComparedArm => {
      const redraws = attempts.map((attempt) => {
        const after = correct.get(attempt)!;
        const right = after.filter(Boolean).length;
        const { draw, scoredOn = draw.examples, chosen, tiedOnAccuracy, worstCompletenessError } = attempt;
        return {
          seed: draw.seed,
          examples: scoredOn.map(({ id }) => id),
          chosen,
          neurons: countNeurons(attempt.intervention),
          tiedOnAccuracy,
          worstCompletenessError,
          correct: right,
          accuracy: right / rows,
          ...mcnemarTest(before, after),
        };
      });
      const answers = attempts.map((attempt) => correct.get(attempt)!);
      const differences = before.map((was, row) =>
        answers.reduce((sum, after) => sum + Number(after[row]) - Number(was), 0) / answers.length
      );
      return {
        name,
        about,
        redraws,
        accuracy: summarise(redraws.map(({ accuracy }) => accuracy)),
        gain: pairedDifference(differences, subject.settings.seed),
        harmed: redraws.filter(({ accuracy }) => accuracy < unpruned.accuracy).length,
        isPartial,
      };
    }),
    tried: {
      configurations: arms.flatMap((arm) => arm.attempts).reduce((sum, { tried }) => sum + tried, 0),
      testPlans,
    },
  };
}
