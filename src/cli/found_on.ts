/** Whether a plan or scores belong to the model that they are to be used on: the same shape does not make it the same model. */
import { readPlan } from "../method/files.ts";
import type { Plan, PlanModel } from "../method/plan.ts";
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
 * @throws {CommandError} If they are others and not welcome.
 */
export function checkFoundOn(file: string, weights: string | undefined, target: Target, allowed: boolean): void {
  if (weights === undefined || weights === target.weights || allowed) return;
  throw new CommandError(
    `${file} was found on other weights than those of ${target.model}, though of the same shape`,
    "name the model that it was found on (a pruned copy is another one); --other-weights goes on all the same.",
  );
}

/**
 * Reads a plan that is to be applied to a model.
 *
 * @throws {CommandError} As `checkFoundOn`. What `readPlan` throws is passed on.
 */
export async function readPlanFor(path: string, config: PlanModel, target: Target, allowed: boolean): Promise<Plan> {
  const plan = await readPlan(path, config);
  checkFoundOn(path, plan.weights, target, allowed);
  return plan;
}
