/**
 * Whether a plan or scores belong to the model that they are to be used on: the same shape does not make it the same
 * model.
 */
import { areComparable } from "../checkpoint/digest.ts";
import { digestExamples } from "../method/example_digest.ts";
import { readPlan } from "../method/files.ts";
import type { Plan, PlanModel } from "../method/plan.ts";
import type { Provenance } from "../method/provenance.ts";
import type { Example } from "../tasks/example.ts";
import type { OptionTable } from "./arguments.ts";
import { CommandError } from "./errors.ts";

/** For commands that take what was found on a model. */
export const otherWeightsOptions = {
  "other-weights": {
    type: "flag",
    description:
      "Take what was found on other weights of the same shape, such as the same model saved in another type.",
  },
} as const satisfies OptionTable;

/** A model, as far as it matters whether something was found on it. */
export interface Target {
  /** As the person named it. */
  readonly model: string;
  /** Its fingerprint. */
  readonly weights: string;
}

/**
 * Refuses what was found on another model.
 *
 * @param file Where it was read from.
 * @param weights Fingerprint of the model that it was found on; undefined where the file does not say.
 * @param allowed Whether other weights are welcome.
 * @returns What a reader of the results must know, as lines.
 * @throws {CommandError} If they are others, or nothing tells whether they are, and others are not welcome.
 */
export function checkFoundOn(file: string, weights: string | undefined, target: Target, allowed: boolean): string[] {
  if (weights === target.weights) return [];
  if (weights === undefined) {
    return allowed
      ? []
      : [`${file} does not say which weights it was found on: they may be others than ${target.model}.`];
  }
  if (allowed) return [`${file} was found on other weights than those of ${target.model}.`];
  if (!areComparable(weights, target.weights)) {
    throw new CommandError(
      `${file} is of an earlier version, whose fingerprint of the weights does not tell whether they are those of ${target.model}`,
      "make it again, or go on with --other-weights if you know that they are.",
    );
  }
  throw new CommandError(
    `${file} was found on other weights than those of ${target.model}, though of the same shape`,
    "name the model that it was found on (a pruned copy is another one); --other-weights goes on all the same.",
  );
}

/** What a reader must know of scores of other examples than those that were drawn now, as lines. */
export function remarkOnExamples(
  file: string,
  scored: Provenance,
  adaptation: readonly Example[],
  task: string,
): string[] {
  if (scored.examples === undefined || scored.examples === digestExamples(adaptation)) return [];
  return [
    `${file} has scores of other examples than the ${adaptation.length} drawn here: of ` +
    (scored.task === task ? "the same task, drawn or asked differently." : `task ${scored.task}, not ${task}.`),
  ];
}

/**
 * Reads a plan that is to be applied to a model.
 *
 * @returns The plan, and what a reader of the results must know, as lines.
 * @throws {CommandError} As `checkFoundOn`. What `readPlan` throws is passed on.
 */
export async function readPlanFor(
  path: string,
  config: PlanModel,
  target: Target,
  allowed: boolean,
): Promise<{ readonly plan: Plan; readonly notes: readonly string[] }> {
  const plan = await readPlan(path, config);
  return { plan, notes: checkFoundOn(path, plan.weights, target, allowed) };
}
