import { assertEquals, assertThrows } from "@std/assert";
import {
  createPlan,
  parsePlan,
  type Plan,
  plannedNeurons,
  planToIntervention,
  serialisePlan,
} from "../../src/method/plan.ts";
import { toyConfig } from "../support/toy_engine.ts";

const config = toyConfig({ layers: 3, neurons: 10, width: 6 });

const plan: Plan = createPlan(config, [
  { layer: 2, site: "down", fraction: null, neurons: Uint32Array.of(5) },
  { layer: 2, site: "gate", fraction: 0.2, neurons: Uint32Array.of(3, 9) },
  { layer: 0, site: "up", fraction: 0, neurons: Uint32Array.of() },
], { by: "search", accuracy: 0.1 + 0.2 });

/** The text of the plan with one field of its JSON changed. */
// deno-lint-ignore no-explicit-any
function changed(change: (json: any) => void): string {
  const json = JSON.parse(serialisePlan(plan));
  change(json);
  return JSON.stringify(json);
}

Deno.test("createPlan() orders masks by layer and site when they are given in any order", () => {
  assertEquals(plan.masks.map(({ layer, site }) => [layer, site]), [[0, "up"], [2, "gate"], [2, "down"]]);
  assertEquals(plannedNeurons(plan), 3);
});

Deno.test("planToIntervention() leaves out masks without neurons", () => {
  assertEquals(planToIntervention(plan), [
    { layer: 2, site: "gate", neurons: Uint32Array.of(3, 9) },
    { layer: 2, site: "down", neurons: Uint32Array.of(5) },
  ]);
});

Deno.test("parsePlan() gives back the plan when it was serialised", () => {
  assertEquals(parsePlan("plan.json", serialisePlan(plan), config), plan);
  const bytes = new TextEncoder().encode(serialisePlan(plan));
  assertEquals(parsePlan("plan.json", bytes, config), plan);
  const empty = createPlan(config, []);
  assertEquals(parsePlan("plan.json", serialisePlan(empty), config), empty);
});

Deno.test("serialisePlan() gives readable text, the same for the same plan", () => {
  assertEquals(
    serialisePlan(plan),
    `{
  "format": "secateur-plan",
  "version": 1,
  "model": { "family": "llama", "layers": 3, "width": 6, "neurons": 10 },
  "masks": [
    {
      "layer": 0,
      "site": "up",
      "fraction": 0,
      "neurons": []
    },
    {
      "layer": 2,
      "site": "gate",
      "fraction": 0.2,
      "neurons": [3, 9]
    },
    {
      "layer": 2,
      "site": "down",
      "fraction": null,
      "neurons": [5]
    }
  ],
  "chosen": { "by": "search", "accuracy": 0.30000000000000004 }
}
`,
  );
});

Deno.test("parsePlan() throws a SyntaxError that names the field when the text is no plan", () => {
  const rejected: [string, string][] = [
    ["{", "Cannot parse plan.json"],
    ["[]", "expected a JSON object"],
    ['{"format": "a", "format": "b"}', "twice"],
    [changed((json) => json.format = "other"), 'format is "other", expected "secateur-plan"'],
    [changed((json) => json.version = 2), "version is 2, expected 1"],
    [changed((json) => delete json.chosen), "chosen is missing"],
    [changed((json) => json.extra = 1), 'the field "extra"'],
    [changed((json) => json.masks[0].extra = 1), 'masks[0] has the field "extra"'],
    [changed((json) => json.masks = {}), "masks is {}, expected a list"],
    [changed((json) => json.masks[1].layer = "2"), 'masks[1].layer is "2"'],
    [changed((json) => json.masks[1].layer = -1), "masks[1].layer is -1"],
    [changed((json) => json.masks[1].site = "gates"), 'expected "gate" or "up" or "down"'],
    [changed((json) => json.masks[1].neurons[0] = 1.5), "masks[1].neurons[0] is 1.5"],
    [changed((json) => json.masks[1].neurons[0] = 2 ** 32), "expected a whole number below 2^32"],
    [changed((json) => json.masks[1].fraction = "0.2"), "masks[1].fraction"],
    [changed((json) => json.chosen.by = ["search"]), "chosen.by"],
    [changed((json) => json.model.layers = null), "model.layers is null"],
  ];
  for (const [text, message] of rejected) {
    assertThrows(() => parsePlan("plan.json", text, config), SyntaxError, message);
  }
});

Deno.test("parsePlan() throws a RangeError that says why when the plan does not fit the model", () => {
  const rejected: [string, string][] = [
    [changed((json) => json.model.layers = 4), "made for a model with layers 4, this one has 3"],
    [changed((json) => json.model.family = "qwen2"), "family qwen2"],
    [changed((json) => json.masks[2].layer = 3), "layer 3, expected an integer in 0..2"],
    [changed((json) => json.masks[1].neurons = [3, 10]), "no neuron 10, expected 0..9"],
    // The site `down` has as many neurons as the model is wide.
    [changed((json) => json.masks[2].neurons = [6]), "no neuron 6, expected 0..5"],
    [changed((json) => json.masks[1].neurons = [9, 3]), "ascending without repeats at 3"],
    [changed((json) => json.masks[1].neurons = [3, 3]), "ascending without repeats at 3"],
    [changed((json) => json.masks[0].layer = 2), "not ascending by layer and site"],
    [changed((json) => json.masks[2].site = "gate"), "layer 2 gate"],
    [changed((json) => json.masks[1].fraction = 1.5), "fraction 1.5"],
  ];
  for (const [text, message] of rejected) {
    assertThrows(() => parsePlan("plan.json", text, config), RangeError, message);
  }
});

Deno.test("createPlan() throws when two masks are for one layer and site", () => {
  const mask = { layer: 0, site: "gate", fraction: 0.1, neurons: Uint32Array.of(1) } as const;
  assertThrows(() => createPlan(config, [mask, mask]), RangeError, "repeat one, at layer 0 gate");
});

Deno.test("parsePlan() says what a file is that is no plan, whatever else it has", () => {
  const other = changed((json) => {
    json.format = "secateur-grid";
    json.provenance = {};
  });
  assertThrows(
    () => parsePlan("grid.json", other, config),
    SyntaxError,
    'is "secateur-grid", expected "secateur-plan"',
  );
});
