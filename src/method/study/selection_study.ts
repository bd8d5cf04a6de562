/**
 * Better selection from the same examples: every rule chooses from the same grids, and is judged by the test accuracy
 * of what it chose against the best cell of that grid.
 */
import type { Example } from "../../tasks/example.ts";
import {
  type CellAnswers,
  cellAnswers,
  chooseCell,
  noHarmLevel,
  type RuleInput,
  type SelectionRule,
  selectionRules,
} from "../selection_rules.ts";
import { list, number, oneOf, record, type Schema } from "../schema.ts";
import { type ArmPlan, compareArms, type Comparison, comparisonSchema, summarySchema } from "./comparison.ts";
import { gridCells, type MeasuredGrid, measureGrids } from "./grid_profile.ts";
import { type RedrawSummary, summarise } from "./statistics.ts";
import { scoreDraw, stepOf, type StudySubject } from "./subject.ts";

/** The comparison of selection rules. */
export interface SelectionStudy {
  /** One arm a rule. */
  readonly comparison: Comparison;
  /** In the order of the arms. */
  readonly regret: readonly {
    /** How the configuration is chosen. */
    readonly rule: SelectionRule;
    /** Test accuracy of the best cell of the redraw's grid, the unmodified model included, minus that of the choice. */
    readonly regret: RedrawSummary;
    /** Gain over the paper's rule, redraw by redraw. */
    readonly gainOverPaper: RedrawSummary;
  }[];
  /** Test accuracy of the best cell of every grid, which no rule may know. */
  readonly bestCell: RedrawSummary;
  /** One-sided probability above which `+no-harm` keeps the model unpruned. */
  readonly noHarmLevel: number;
}

/** Reads the comparison of selection rules. */
export const selectionSchema: Schema<SelectionStudy> = record({
  comparison: comparisonSchema,
  regret: list(record({
    rule: oneOf(...selectionRules),
    regret: summarySchema,
    gainOverPaper: summarySchema,
  })),
  bestCell: summarySchema,
  noHarmLevel: number,
});

/** Answers of every cell, the unmodified model first. */
async function answersOf(
  subject: StudySubject,
  examples: readonly Example[],
  cells: MeasuredGrid["cells"],
  step: string,
): Promise<CellAnswers[]> {
  const { engine, settings: { search: { metric } } } = subject;
  const places = [{ layer: null, fraction: 0, neurons: 0 }, ...cells];
  const interventions = [[], ...cells.map(({ intervention }) => intervention)];
  const logProbs = await engine.choiceLogProbs(examples, interventions, stepOf(subject, step));
  return places.map(({ layer, fraction, neurons }, index) =>
    cellAnswers({ layer, fraction, neurons }, examples, logProbs[index], metric)
  );
}

/** Every cell's answer to each example, with neurons ranked by the scores of the others. */
async function answersLeftOut(
  subject: StudySubject,
  { draw: { examples, seed } }: MeasuredGrid,
): Promise<CellAnswers[]> {
  const parts: CellAnswers[][] = [];
  for (const example of examples) {
    const step = `without ${example.id}, seed ${seed}`;
    const others = examples.filter((other) => other !== example);
    const { scores } = await scoreDraw(subject, others, step, { filter: "all" });
    parts.push(await answersOf(subject, [example], gridCells(subject, scores), step));
  }
  const joined = (values: (answers: CellAnswers) => Float64Array, cell: number) =>
    Float64Array.from(parts, (part) => values(part[cell])[0]);
  return parts[0].map(({ layer, fraction, neurons }, cell) => ({
    layer,
    fraction,
    neurons,
    correct: parts.map((part) => part[cell].correct[0]),
    margins: joined(({ margins }) => margins, cell),
    gold: joined(({ gold }) => gold, cell),
    goldShare: joined(({ goldShare }) => goldShare, cell),
  }));
}

/** Compares all rules on the grids of every redraw. */
export async function studySelection(subject: StudySubject): Promise<SelectionStudy> {
  const { unpruned, grids } = await measureGrids(subject);
  const rules = selectionRules.filter((rule) => subject.settings.size > 1 || !rule.startsWith("leave-one-out"));
  const inputs: RuleInput[] = [];
  for (const grid of grids) {
    const { examples, seed } = grid.draw;
    inputs.push({
      cells: await answersOf(subject, examples, grid.cells, `selection, seed ${seed}`),
      ...(subject.settings.size > 1 && { leftOut: await answersLeftOut(subject, grid) }),
      seed,
    });
  }
  const choices = rules.map((rule) => inputs.map((input) => chooseCell(rule, input)));
  const accuracyOf = (redraw: number, index: number) => index === 0 ? unpruned : grids[redraw].accuracies[index - 1];
  const best = grids.map(({ accuracies }) => Math.max(unpruned, ...accuracies));

  const arms = rules.map((rule, which): ArmPlan => ({
    name: rule,
    about: `chosen by the rule ${rule}`,
    attempts: grids.map(({ draw, cells }, redraw) => {
      const index = choices[which][redraw];
      const { layer, fraction, neurons, correct } = inputs[redraw].cells[index];
      const right = correct.filter(Boolean).length;
      const fold = rule.startsWith("leave-one-out") ? draw.examples.length : 0;
      return {
        draw,
        intervention: index === 0 ? [] : cells[index - 1].intervention,
        chosen: { layer, fraction, neurons, accuracy: right / correct.length },
        tiedOnAccuracy: inputs[redraw].cells.filter((cell) => cell.correct.filter(Boolean).length === right).length,
        tried: inputs[redraw].cells.length * (1 + fold),
        worstCompletenessError: null,
      };
    }),
  }));
  return {
    comparison: await compareArms(subject, arms, "selection rules"),
    regret: rules.map((rule, which) => ({
      rule,
      regret: summarise(choices[which].map((index, redraw) => best[redraw] - accuracyOf(redraw, index))),
      gainOverPaper: summarise(
        choices[which].map((index, redraw) => accuracyOf(redraw, index) - accuracyOf(redraw, choices[0][redraw])),
      ),
    })),
    bestCell: summarise(best),
    noHarmLevel,
  };
}
