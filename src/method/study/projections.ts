/**
 * The projection ablation: rows of gate, up or down are scored and zeroed. A zeroed gate row and the same zeroed up row
 * silence the same neuron, so those two arms differ in their ranking only; down zeroes dimensions of the residual
 * stream.
 */
import type { Site } from "../../engine/engine.ts";
import { nullable, number, record, type Schema } from "../schema.ts";
import { type ArmPlan, compareArms, type Comparison, comparisonSchema } from "./comparison.ts";
import { paperAttempts } from "./main_table.ts";
import { drawsOf, stepOf, type StudySubject } from "./subject.ts";

/** The projection ablation. */
export interface ProjectionStudy {
  /** The arms and their test answers. */
  readonly comparison: Comparison;
  /**
   * Largest difference between the log-probabilities of the adaptation choices with the chosen gate rows zeroed and
   * with the same up rows zeroed; null where no redraw chose to prune.
   */
  readonly gateUpDifference: number | null;
}

/** Reads the projection ablation. */
export const projectionSchema: Schema<ProjectionStudy> = record({
  comparison: comparisonSchema,
  gateUpDifference: nullable(number),
});

const arms: readonly { readonly site: Site; readonly about: string }[] = [
  { site: "gate", about: "rows of the gate projection, which are neurons" },
  { site: "up", about: "rows of the up projection, which are the same neurons in another order" },
  { site: "down", about: "rows of the down projection, which are dimensions of the residual stream" },
];

/** Compares the projections over every draw. */
export async function studyProjections(subject: StudySubject): Promise<ProjectionStudy> {
  const draws = drawsOf(subject);
  const plans: ArmPlan[] = [];
  for (const { site, about } of arms) {
    plans.push({ name: site, about, attempts: await paperAttempts(subject, draws, site, { site }) });
  }
  const comparison = await compareArms(subject, plans, "projections");

  const pruning = plans[0].attempts.find(({ intervention }) => intervention.length > 0);
  let gateUpDifference: number | null = null;
  if (pruning) {
    const { draw: { examples }, intervention: gate } = pruning;
    const up = gate.map((mask) => ({ ...mask, site: "up" as const }));
    const [one, other] = await subject.engine.choiceLogProbs(examples, [gate, up], stepOf(subject, "gate and up"));
    gateUpDifference = Math.max(
      ...one.map((row, i) => Math.max(...row.map((value, c) => Math.abs(value - other[i][c])))),
    );
  }
  return { comparison, gateUpDifference };
}
