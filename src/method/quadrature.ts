/** Integration rules on [0,1]: nodes and weights that sum to 1. */
import type { QuadratureRule } from "../engine/engine.ts";
import { OptionError } from "../text/option_error.ts";

/**
 * Names of the integration rules.
 *
 * - `gauss-legendre`: exact for polynomials of degree 2A-1
 * - `midpoint`: middles of A equal intervals
 * - `left`, `right`: left or right ends of A equal intervals
 * - `trapezoid`: A points from 0 to 1 with half weight at both ends
 */
export const ruleNames: readonly RuleName[] = ["gauss-legendre", "midpoint", "left", "right", "trapezoid"];

/** Name of an integration rule. */
export type RuleName = "gauss-legendre" | "midpoint" | "left" | "right" | "trapezoid";

/** The largest number of nodes a rule may have. */
export const maxRuleNodes = 512;

/**
 * The integration rule of that name with `nodes` nodes on [0,1], nodes ascending, weights summing to 1.
 *
 * @throws {RangeError} If the name is unknown or `nodes` is not an integer in 1..512 (2..512 for `trapezoid`).
 */
export function quadratureRule(name: RuleName, nodes: number): QuadratureRule {
  const least = name === "trapezoid" ? 2 : 1;
  if (!Number.isInteger(nodes) || nodes < least || nodes > maxRuleNodes) {
    throw new OptionError(
      `Cannot build the ${name} rule with ${nodes} nodes: expected an integer in ${least}..${maxRuleNodes}`,
      "rule",
    );
  }
  switch (name) {
    case "gauss-legendre":
      return gaussLegendre(nodes);
    case "midpoint":
      return equallySpaced(nodes, (i) => (i + 0.5) / nodes);
    case "left":
      return equallySpaced(nodes, (i) => i / nodes);
    case "right":
      return equallySpaced(nodes, (i) => (i + 1) / nodes);
    case "trapezoid": {
      const rule = equallySpaced(nodes, (i) => i / (nodes - 1));
      rule.weights.fill(1 / (nodes - 1));
      rule.weights[0] = rule.weights[nodes - 1] = 0.5 / (nodes - 1);
      return rule;
    }
    default:
      throw new OptionError(`Cannot build the rule "${name}": expected one of ${ruleNames.join(", ")}`, "rule");
  }
}

function equallySpaced(nodes: number, position: (index: number) => number): QuadratureRule {
  return {
    nodes: Float64Array.from({ length: nodes }, (_, index) => position(index)),
    weights: new Float64Array(nodes).fill(1 / nodes),
  };
}

/** Roots of the Legendre polynomial P_n by Newton's method, one half of them; the other half is their mirror image. */
function gaussLegendre(count: number): QuadratureRule {
  const nodes = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let i = 0; i < Math.ceil(count / 2); i++) {
    // Tricomi's first-order estimate lies in the basin of the i-th largest root for every n.
    let x = count % 2 === 1 && i === (count - 1) / 2 ? 0 : Math.cos(Math.PI * (i + 0.75) / (count + 0.5));
    let step = Infinity;
    // Convergence is quadratic: after a step below 1e-9 the next one is below rounding.
    for (let iteration = 0; iteration < 20 && Math.abs(step) > 1e-9; iteration++) {
      const { value, derivative } = legendre(count, x);
      step = value / derivative;
      x -= step;
    }
    const { derivative } = legendre(count, x);
    const weight = 1 / ((1 - x) * (1 + x) * derivative * derivative);
    nodes[i] = (1 - x) / 2;
    nodes[count - 1 - i] = (1 + x) / 2;
    weights[i] = weights[count - 1 - i] = weight;
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (let i = 0; i < count; i++) weights[i] /= sum;
  return { nodes, weights };
}

/** P_n(x) by the three-term recurrence, and P_n'(x); |x| < 1, n >= 1. */
function legendre(n: number, x: number): { value: number; derivative: number } {
  let previous = 1;
  let value = x;
  for (let k = 2; k <= n; k++) {
    [previous, value] = [value, ((2 * k - 1) * x * value - (k - 1) * previous) / k];
  }
  return { value, derivative: n * (previous - x * value) / ((1 - x) * (1 + x)) };
}
