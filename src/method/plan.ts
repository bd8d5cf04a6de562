/** A plan: which neurons of which layers are switched off, and how they were chosen. */
import type { Intervention, Mask, Site } from "../engine/engine.ts";
import { formatJson } from "./json.ts";
import { siteNeurons } from "./neuron_scores.ts";
import {
  dictionary,
  integer,
  list,
  nullable,
  number,
  oneOf,
  optional,
  parseDocument,
  record,
  scalar,
  text,
  uint32s,
} from "./schema.ts";

const planFormat = "secateur-plan";

/** The version of the plan format written by this code. */
export const planVersion = 1;

/** The neurons of one layer that a plan switches off. */
export interface PlanMask extends Mask {
  /** The fraction that was asked for, in 0..1; null when neurons were named one by one. */
  readonly fraction: number | null;
}

/** The shape of the model a plan was made for. */
export interface PlanModel {
  /** Hugging Face `model_type`. */
  readonly family: string;
  /** L */
  readonly layers: number;
  /** D */
  readonly width: number;
  /** H */
  readonly neurons: number;
}

/** Which neurons are switched off. An empty list of masks is the unmodified model. */
export interface Plan {
  /** Version of the format. */
  readonly version: 1;
  /** What it fits. */
  readonly model: PlanModel;
  /** Ascending by layer, then by site in the order gate, up, down; at most one per layer and site. */
  readonly masks: readonly PlanMask[];
  /** Fingerprint of the weights that it was found on; absent where nobody said. */
  readonly weights?: string | undefined;
  /** How the neurons were chosen, in words and numbers, such as `{ by: "search", ranking: "signed" }`. */
  readonly chosen: Readonly<Record<string, string | number | boolean | null>>;
}

const sites: readonly Site[] = ["gate", "up", "down"];

/**
 * Makes a plan and checks it against the model.
 *
 * @throws {RangeError} As `checkPlan`.
 */
export function createPlan(config: PlanModel, masks: readonly PlanMask[], chosen: Plan["chosen"] = {}): Plan {
  const { family, layers, width, neurons } = config;
  const plan: Plan = {
    version: planVersion,
    model: { family, layers, width, neurons },
    masks: [...masks].sort((a, b) => a.layer - b.layer || sites.indexOf(a.site) - sites.indexOf(b.site)),
    chosen,
  };
  checkPlan(plan, config);
  return plan;
}

/** The plan as what an engine takes. */
export function planToIntervention(plan: Plan): Intervention {
  return plan.masks.filter((mask) => mask.neurons.length > 0).map(({ layer, site, neurons }) => ({
    layer,
    site,
    neurons,
  }));
}

/** Number of neurons that a plan switches off. */
export function plannedNeurons(plan: Plan): number {
  return plan.masks.reduce((sum, mask) => sum + mask.neurons.length, 0);
}

/**
 * Checks a plan against the model it is to be applied to.
 *
 * @throws {RangeError} If it was made for another shape, names a layer, site or neuron the model does not have, repeats
 * one, or is not in ascending order.
 */
export function checkPlan(plan: Plan, config: PlanModel): void {
  const fail = (problem: string) => new RangeError(`Cannot apply the plan: ${problem}`);
  for (const field of ["family", "layers", "width", "neurons"] as const) {
    if (plan.model[field] !== config[field]) {
      throw fail(`it was made for a model with ${field} ${plan.model[field]}, this one has ${config[field]}`);
    }
  }
  let place = -1;
  for (const { layer, site, neurons, fraction } of plan.masks) {
    if (!Number.isInteger(layer) || layer < 0 || layer >= config.layers) {
      throw fail(`it names layer ${layer}, expected an integer in 0..${config.layers - 1}`);
    }
    if (!sites.includes(site)) throw fail(`it names the site "${site}", expected gate, up or down`);
    if (fraction !== null && !(fraction >= 0 && fraction <= 1)) {
      throw fail(`it gives layer ${layer} the fraction ${fraction}, expected a number in 0..1 or null`);
    }
    const next = layer * sites.length + sites.indexOf(site);
    if (next <= place) {
      throw fail(`its masks are not ascending by layer and site, or repeat one, at layer ${layer} ${site}`);
    }
    place = next;
    const limit = siteNeurons(config, site);
    neurons.forEach((neuron, index) => {
      if (neuron >= limit) throw fail(`layer ${layer} ${site} has no neuron ${neuron}, expected 0..${limit - 1}`);
      if (index > 0 && neurons[index - 1] >= neuron) {
        throw fail(`neurons of layer ${layer} ${site} are not ascending without repeats at ${neuron}`);
      }
    });
  }
}

/** A plan as the text of `plan.json`: the same bytes for the same plan. */
export function serialisePlan(plan: Plan): string {
  const { version, model, weights, masks, chosen } = plan;
  return formatJson({
    format: planFormat,
    version,
    model: { ...model },
    ...(weights !== undefined && { weights }),
    masks: masks.map(({ layer, site, fraction, neurons }) => ({ layer, site, fraction, neurons: [...neurons] })),
    chosen: { ...chosen },
  });
}

const planSchema = record({
  format: oneOf(planFormat),
  version: oneOf(planVersion),
  model: record({ family: text, layers: integer, width: integer, neurons: integer }),
  weights: optional(text),
  masks: list(
    record({ layer: integer, site: oneOf("gate", "up", "down"), fraction: nullable(number), neurons: uint32s }),
  ),
  chosen: dictionary(scalar),
});

/**
 * Reads the text of a `plan.json` and checks it against the model it is to be applied to.
 *
 * @param what Named in errors, such as the path.
 * @param config The model; default: the shape it says it was made for.
 * @throws {SyntaxError} If it is not a plan of a version known here, or has fields that are missing, unknown or of the
 * wrong type.
 * @throws {RangeError} If it does not fit the model.
 */
export function parsePlan(what: string, content: string | Uint8Array, config?: PlanModel): Plan {
  const { format: _, ...plan } = parseDocument(what, content, planSchema);
  checkPlan(plan, config ?? plan.model);
  return plan;
}
