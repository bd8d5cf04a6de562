/**
 * Are the pruned neurons shortcuts? Accuracy on marked rows, confidence and calibration before and after, how far the
 * neurons go with the label on training-like and on test rows, what they respond to, and the damage done elsewhere.
 */
import { calibrate } from "../calibration.ts";
import { measureDamage } from "../damage.ts";
import { compareGroups } from "../groups.ts";
import { labelCorrelations } from "../label_correlation.ts";
import { integer, list, nullable, number, record, type Schema, text } from "../schema.ts";
import { topActivations } from "../top_activations.ts";
import { summarySchema } from "./comparison.ts";
import { paperAttempts } from "./main_table.ts";
import { meanOrNull, type RedrawSummary, summarise } from "./statistics.ts";
import { drawsOf, stepOf, type StudySubject, testUnder } from "./subject.ts";

/** How sure a model is of its answers to the test rows. */
export interface Sureness {
  /** Mean probability of the preferred choice among the choices. */
  readonly confidence: number;
  /** The same over wrong answers; null if there is none. */
  readonly confidenceWrong: number | null;
  /** Expected calibration error, 10 bins. */
  readonly calibrationError: number;
}

/** Whether the pruned neurons are shortcuts. */
export interface ShortcutStudy {
  /** Column that marks the test rows, or null. */
  readonly column: string | null;
  /** Test rows by their mark. */
  readonly groups: readonly {
    /** The mark. */
    readonly mark: string;
    /** Number of rows. */
    readonly rows: number;
    /** Accuracy of the unmodified model. */
    readonly before: number;
    /** Accuracy of the pruned models. */
    readonly after: RedrawSummary;
  }[];
  /** The unmodified model on the test rows. */
  readonly before: Sureness;
  /** The pruned models, averaged over the redraws. */
  readonly after: Sureness;
  /**
   * Correlation of the first pruning redraw's neurons with the label; null where no redraw prunes or rows are missing.
   */
  readonly correlation: {
    /** Of the redraw. */
    readonly seed: number;
    /** Neurons looked at. */
    readonly neurons: number;
    /** Rows like those of the training. */
    readonly trainRows: number;
    /** Mean |correlation| there; null where nothing varies. */
    readonly train: number | null;
    /** Mean |correlation| on the test rows; null where nothing varies. */
    readonly test: number | null;
    /** The same for the neurons of that layer that stay. */
    readonly others: {
      /** On the rows like those of the training. */
      readonly train: number | null;
      /** On the test rows. */
      readonly test: number | null;
    };
  } | null;
  /** What the first pruned neurons respond to on the test rows. */
  readonly responses: readonly {
    /** Counted from 0. */
    readonly layer: number;
    /** Counted from 0. */
    readonly neuron: number;
    /** Rows of largest activation. */
    readonly rows: readonly {
      /** Id of the example. */
      readonly example: string;
      /** Token at the position of largest activation, and what comes before it; empty without a tokenizer. */
      readonly context: string;
      /** The activation there. */
      readonly activation: number;
    }[];
    /** Tokens of largest mean activation, as text, or as ids without a tokenizer. */
    readonly tokens: readonly string[];
  }[];
  /** Other tasks and texts under the plans of all redraws. */
  readonly damage: {
    /** Accuracy. */
    readonly tasks: readonly {
      /** As it was named. */
      readonly name: string;
      /** Number of rows. */
      readonly rows: number;
      /** Of the unmodified model. */
      readonly before: number;
      /** Of the pruned models. */
      readonly after: RedrawSummary;
    }[];
    /** Perplexity a token. */
    readonly texts: readonly {
      /** As it was named. */
      readonly name: string;
      /** Tokens predicted. */
      readonly tokens: number;
      /** Of the unmodified model. */
      readonly before: number;
      /** Of the pruned models. */
      readonly after: RedrawSummary;
    }[];
  };
}

const surenessSchema: Schema<Sureness> = record({
  confidence: number,
  confidenceWrong: nullable(number),
  calibrationError: number,
});

/** Reads the study of shortcuts. */
export const shortcutSchema: Schema<ShortcutStudy> = record({
  column: nullable(text),
  groups: list(record({ mark: text, rows: integer, before: number, after: summarySchema })),
  before: surenessSchema,
  after: surenessSchema,
  correlation: nullable(record({
    seed: integer,
    neurons: integer,
    trainRows: integer,
    train: nullable(number),
    test: nullable(number),
    others: record({ train: nullable(number), test: nullable(number) }),
  })),
  responses: list(record({
    layer: integer,
    neuron: integer,
    rows: list(record({ example: text, context: text, activation: number })),
    tokens: list(text),
  })),
  damage: record({
    tasks: list(record({ name: text, rows: integer, before: number, after: summarySchema })),
    texts: list(record({ name: text, tokens: integer, before: number, after: summarySchema })),
  }),
});

/** Rows of a set whose activations are traced, at most. */
const tracedRows = 512;
/** Pruned neurons whose responses are listed. */
const listedNeurons = 5;

/** Looks into the paper's plan of every draw. */
export async function studyShortcuts(subject: StudySubject): Promise<ShortcutStudy> {
  const { engine, test, marks, train, tokenizer, elsewhere = {}, settings: { score: { site }, search: { metric } } } =
    subject;
  const attempts = await paperAttempts(subject, drawsOf(subject), "shortcuts");
  const interventions = [[], ...attempts.map(({ intervention }) => intervention)];
  const [before, ...after] = await testUnder(subject, interventions, "shortcuts");

  const values = marks?.values ?? [];
  const grouped = marks ? after.map((evaluation) => compareGroups(test, values, before, evaluation, { metric })) : [];
  const groups = (grouped[0]?.groups ?? []).map(({ group, count, before: { accuracy } }, index) => ({
    mark: group!,
    rows: count,
    before: accuracy,
    after: summarise(grouped.map((comparison) => comparison.groups[index].after.accuracy)),
  }));
  const sureness = [before, ...after].map((evaluation): Sureness => {
    const { meanConfidence, meanConfidenceWrong, expectedCalibrationError } = calibrate(test, evaluation);
    return {
      confidence: meanConfidence,
      confidenceWrong: meanConfidenceWrong,
      calibrationError: expectedCalibrationError,
    };
  });
  const mean = (value: (own: Sureness) => number | null) =>
    meanOrNull(sureness.slice(1).map(value).filter((own) => own !== null));

  // A dimension of the residual stream has no activation of its own.
  const pruning = site === "down" ? undefined : attempts.find(({ intervention }) => intervention.length > 0);
  let correlation: ShortcutStudy["correlation"] = null;
  let responses: ShortcutStudy["responses"] = [];
  if (pruning) {
    const [{ layer, neurons }] = pruning.intervention;
    const rows = test.slice(0, tracedRows);
    const step = stepOf(subject, "responses");
    const listed = [{ layer, neurons: neurons.slice(0, listedNeurons) }];
    const top = await topActivations(engine, rows, listed, {
      rows: 3,
      tokens: 5,
      ...(tokenizer && { tokenizer }),
      ...step,
    });
    responses = top.map((own) => ({
      layer: own.layer,
      neuron: own.neuron,
      rows: own.rows.map(({ example, context = "", activation }) => ({ example, context, activation })),
      tokens: own.tokens.map(({ token, text: words }) => words ?? String(token)),
    }));
    if (train && train.length >= 2 && rows.length >= 2) {
      const pruned = new Set(neurons);
      const rest = Uint32Array.from(
        Array.from({ length: engine.config.neurons }, (_, neuron) => neuron).filter((neuron) => !pruned.has(neuron)),
      );
      const trained = train.slice(0, tracedRows);
      const sets = { train: { examples: trained }, test: { examples: rows } };
      const own = await labelCorrelations(engine, [{ layer, neurons }], sets, step);
      const others = rest.length === 0 ? null : await labelCorrelations(engine, [{ layer, neurons: rest }], sets, step);
      correlation = {
        seed: pruning.draw.seed,
        neurons: neurons.length,
        trainRows: trained.length,
        train: own.meanTrain,
        test: own.meanTest,
        others: { train: others?.meanTrain ?? null, test: others?.meanTest ?? null },
      };
    }
  }

  const damage = await measureDamage(engine, elsewhere, interventions, stepOf(subject, "damage"));
  return {
    column: marks?.column ?? null,
    groups,
    before: sureness[0],
    after: {
      confidence: mean(({ confidence }) => confidence)!,
      confidenceWrong: mean(({ confidenceWrong }) => confidenceWrong),
      calibrationError: mean(({ calibrationError }) => calibrationError)!,
    },
    correlation,
    responses,
    damage: {
      tasks: damage.tasks.map(({ name, count, accuracies }) => ({
        name,
        rows: count,
        before: accuracies[0],
        after: summarise(accuracies.slice(1)),
      })),
      texts: damage.texts.map(({ name, tokens, perplexities }) => ({
        name,
        tokens,
        before: perplexities[0].perToken,
        after: summarise(perplexities.slice(1).map(({ perToken }) => perToken)),
      })),
    },
  };
}
