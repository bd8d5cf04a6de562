import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import { quadratureRule, type RuleName, ruleNames } from "../../src/method/quadrature.ts";

function integrate(name: RuleName, nodes: number, f: (x: number) => number): number {
  const rule = quadratureRule(name, nodes);
  let sum = 0;
  rule.nodes.forEach((x, i) => sum += rule.weights[i] * f(x));
  return sum;
}

Deno.test("quadratureRule() has ascending nodes in [0,1] and weights that sum to 1 when any rule is asked for", () => {
  for (const name of ruleNames) {
    for (const count of [1, 2, 3, 8, 17, 64, 511, 512]) {
      if (name === "trapezoid" && count === 1) continue;
      const { nodes, weights } = quadratureRule(name, count);
      assertEquals([nodes.length, weights.length], [count, count]);
      nodes.forEach((node, i) => assert(node >= 0 && node <= 1 && (i === 0 || node > nodes[i - 1])));
      // Adding up 512 numbers rounds 512 times.
      assertAlmostEquals(weights.reduce((sum, weight) => sum + weight, 0), 1, 5e-14, `${name} ${count}`);
    }
  }
});

Deno.test("quadratureRule() integrates x^k exactly when gauss-legendre has more than k/2 nodes", () => {
  for (const count of [1, 2, 3, 4, 5, 8, 16, 33, 64, 128, 512]) {
    for (const k of [0, 1, 2, 3, count - 1, count, 2 * count - 2, 2 * count - 1]) {
      if (k > 2 * count - 1) continue;
      assertAlmostEquals(integrate("gauss-legendre", count, (x) => x ** k), 1 / (k + 1), 1e-15, `${count} ${k}`);
    }
  }
});

Deno.test("quadratureRule() misses x^2n when gauss-legendre has n nodes", () => {
  // The error of the n-node rule on x^2n over [0,1] is (n!)^4 / ((2n + 1) ((2n)!)^2): 1/180 for n = 2.
  assertAlmostEquals(1 / 5 - integrate("gauss-legendre", 2, (x) => x ** 4), 1 / 180, 1e-15);
});

Deno.test("quadratureRule() gives the closed form when gauss-legendre has 2, 3 or 5 nodes", () => {
  const expect = (count: number, nodes: number[], weights: number[]) => {
    const rule = quadratureRule("gauss-legendre", count);
    nodes.forEach((x, i) => assertAlmostEquals(rule.nodes[i], (1 + x) / 2, 1e-15));
    weights.forEach((w, i) => assertAlmostEquals(rule.weights[i], w / 2, 1e-15));
  };
  expect(2, [-Math.sqrt(1 / 3), Math.sqrt(1 / 3)], [1, 1]);
  expect(3, [-Math.sqrt(3 / 5), 0, Math.sqrt(3 / 5)], [5 / 9, 8 / 9, 5 / 9]);
  const inner = Math.sqrt(5 - 2 * Math.sqrt(10 / 7)) / 3;
  const outer = Math.sqrt(5 + 2 * Math.sqrt(10 / 7)) / 3;
  const [large, small] = [(322 + 13 * Math.sqrt(70)) / 900, (322 - 13 * Math.sqrt(70)) / 900];
  expect(5, [-outer, -inner, 0, inner, outer], [small, large, 128 / 225, large, small]);
});

Deno.test("quadratureRule() is accurate to 1e-15 when gauss-legendre has 64 or 512 nodes", () => {
  // Newton's method on the same polynomials in 50-digit decimal arithmetic: [nodes, index, node, weight].
  const exact = [
    [64, 0, 0.00034747913211393027, 0.00089164036084821647],
    [64, 1, 0.00182994161402236033, 0.00207351663028123382],
    [64, 16, 0.15738184347288337872, 0.01773610662844119191],
    [64, 31, 0.48782485366828778375, 0.02434547850456986019],
    [512, 0, 0.00000550450780906601, 0.00001412631868696735],
    [512, 1, 0.00002900269657717318, 0.00003288286582962010],
    [512, 128, 0.14780390594208809223, 0.00217554623775353286],
    [512, 255, 0.49846751890742030192, 0.00306495258770289288],
  ];
  for (const [count, index, node, weight] of exact) {
    const { nodes, weights } = quadratureRule("gauss-legendre", count);
    assertAlmostEquals(nodes[index], node, 1e-15);
    assertAlmostEquals(nodes[count - 1 - index], 1 - node, 1e-15);
    assertAlmostEquals(weights[index], weight, 1e-15);
    assertEquals(weights[count - 1 - index], weights[index]);
  }
});

Deno.test("quadratureRule() converges at its order when equally spaced nodes are doubled", () => {
  const error = (name: RuleName, nodes: number) => Math.abs(integrate(name, nodes, Math.exp) - (Math.E - 1));
  assertLess(Math.abs(error("left", 20) / error("left", 40) - 2), 0.05);
  assertLess(Math.abs(error("right", 20) / error("right", 40) - 2), 0.05);
  assertLess(Math.abs(error("midpoint", 20) / error("midpoint", 40) - 4), 0.05);
  // n nodes are n - 1 intervals.
  assertLess(Math.abs(error("trapezoid", 21) / error("trapezoid", 41) - 4), 0.05);
});

Deno.test("quadratureRule() puts nodes where the rule's name says when four are asked for", () => {
  assertEquals([...quadratureRule("midpoint", 4).nodes], [0.125, 0.375, 0.625, 0.875]);
  assertEquals([...quadratureRule("left", 4).nodes], [0, 0.25, 0.5, 0.75]);
  assertEquals([...quadratureRule("right", 4).nodes], [0.25, 0.5, 0.75, 1]);
  assertEquals([...quadratureRule("trapezoid", 5).nodes], [0, 0.25, 0.5, 0.75, 1]);
  assertEquals([...quadratureRule("trapezoid", 5).weights], [0.125, 0.25, 0.25, 0.25, 0.125]);
});

Deno.test("quadratureRule() throws when the name or the number of nodes is out of range", () => {
  for (const nodes of [0, -1, 1.5, 513, NaN]) {
    assertThrows(() => quadratureRule("gauss-legendre", nodes), RangeError, `with ${nodes} nodes: expected an integer`);
  }
  assertThrows(() => quadratureRule("trapezoid", 1), RangeError, "2..512");
  assertThrows(() => quadratureRule("simpson" as RuleName, 3), RangeError, "expected one of gauss-legendre");
});
