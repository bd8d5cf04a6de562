/** What of a request is refused before it becomes a job, by the field that is at fault. */
import { assertEquals, assertMatch } from "@std/assert";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkRequest } from "../../src/serve/job_check.ts";
import { parseRequest } from "../../src/serve/job_request.ts";
import { ProblemError } from "../../src/serve/problem.ts";
import { posting, tinyRequest, withService } from "../support/service.ts";

const config = { layers: 2, width: 100, neurons: 192 };
const { task, rows } = tinyRequest() as { task: Record<string, unknown>; rows: Record<string, unknown[]> };
/** One file of rows for everything. */
const oneSplit = { task: { ...task, test_split: "train" }, rows: { train: rows.train } };

/** What is wrong with a request; null where nothing is. */
function problemOf(changes: Readonly<Record<string, unknown>>): string | null {
  const request = parseRequest(JSON.stringify(tinyRequest(changes)));
  try {
    checkRequest(request, config);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    assertEquals(error.status, 400);
    return error.message;
  }
  return null;
}

Deno.test("checkRequest() takes what fits, to the last row and layer", () => {
  const fitting: readonly Readonly<Record<string, unknown>>[] = [
    {},
    { adaptation: { count: 5, selectionCount: 3 }, test: { limit: 100 } },
    { adaptation: { split: "test", count: 3 }, test: { split: "train" } },
    { adaptation: { count: 3 }, test: { split: "train", limit: 5 } },
    { score: { layers: [1, 0], path: "joint" }, search: { layers: [1] } },
    { score: { maxNodes: 3 } },
    { score: { filter: "confident", confidence: 0.9 } },
    { search: { fractions: [0.0001, 0.5] } },
    // The rows of an only split that are not drawn are the test.
    { ...oneSplit, adaptation: { count: 7 } },
    { ...oneSplit, adaptation: { count: 4, selectionCount: 3 }, test: { limit: 100 } },
    { fewshot: 8 },
    { task: { ...task, training_split: null }, adaptation: { split: "train", count: 8 }, fewshot: 6 },
    { task: { ...task, test_split: null, validation_split: "test" } },
    { task: { ...task, fewshot_config: { samples: [{ text: "a", label: 0 }], split: null } }, fewshot: 1 },
    // What only templates and texts can tell is for the job.
    { task: { ...task, doc_to_text: "{{" } },
    { task: { ...task, fewshot_config: [] } },
  ];
  for (const changes of fitting) assertEquals(problemOf(changes), null, JSON.stringify(changes));
});

Deno.test("checkRequest() refuses what the job could only fail by, and names the field", () => {
  const refused: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{ rows: { train: rows.train } }, 'task.test_split: is "test", but there are rows for train'],
    [{ task: { ...task, training_split: ["train"] } }, 'task.training_split: is ["train"], but there are rows for'],
    [{ task: { ...task, fewshot_split: "constructor" } }, 'task.fewshot_split: is "constructor", but there are'],
    [{ task: { ...task, fewshot_config: { split: "dev" } } }, 'task.fewshot_config.split: is "dev", but there are'],
    [{ task: { ...task, test_split: null } }, "task.test_split: is missing: expected the name of a split"],
    [{ adaptation: { split: "trian" } }, "adaptation.split: task notes has no split trian; did you mean train?"],
    [{ task: { ...task, training_split: null } }, "adaptation.split: task notes names no training split"],
    [{ test: { split: "dev" } }, "test.split: task notes has no split dev"],
    [{ adaptation: { count: 9 } }, "adaptation.count: Cannot draw 9 examples: the split train has 8 rows"],
    [
      { adaptation: { count: 5, selectionCount: 4 } },
      "adaptation.count and adaptation.selectionCount: Cannot draw 9 examples: the split train has 8 rows",
    ],
    [
      { ...oneSplit, adaptation: { count: 8 } },
      "adaptation.count: Cannot test on what is left: all 8 examples of notes",
    ],
    [
      { ...oneSplit, adaptation: { count: 3, selectionCount: 5 } },
      "adaptation.count and adaptation.selectionCount: Cannot test on what is left: all 8 examples of notes",
    ],
    [{ ...oneSplit, test: { split: "train" } }, "test.split: is train, whose rows the adaptation examples are drawn"],
    [
      { ...oneSplit, rows: { train: rows.train, dev: rows.test } },
      "test.split: is train, whose rows the adaptation examples are drawn",
    ],
    [{ test: { split: "train" } }, "test.split: is train, whose rows the adaptation examples are drawn from"],
    [{ adaptation: { count: 3 }, test: { split: "train", limit: 6 } }, "test.split: is train, whose rows"],
    [{ fewshot: 9 }, "fewshot: Cannot choose 9 few-shot examples: there are 8 rows to choose from"],
    [{ task: { ...task, num_fewshot: 9 } }, "task.num_fewshot: Cannot choose 9 few-shot examples"],
    [
      { task: { ...task, fewshot_split: "test" }, fewshot: 7 },
      "fewshot: Cannot choose 7 few-shot examples: there are 6",
    ],
    [
      { task: { ...task, fewshot_config: { samples: [{ text: "a", label: 0 }] } }, fewshot: 2 },
      "fewshot: Cannot choose 2 few-shot examples: there are 1",
    ],
    [{ score: { layers: [0, 2] } }, "score.layers: Cannot use layer 2: expected an integer in 0..1"],
    [{ search: { layers: [7] } }, "search.layers: Cannot use layer 7: expected an integer in 0..1"],
    [{ score: { layers: [0] }, search: { layers: [1] } }, "search.layers: Cannot search layer 1: only layers 0 are"],
    [{ score: { layers: [0], path: "joint" } }, "score.path: Cannot score 1 of 2 layers on the joint path"],
    [{ score: { rule: "trapezoid", nodes: 1 } }, "score.rule: Cannot build the trapezoid rule with 1 nodes"],
    [{ score: { nodes: 8, maxNodes: 16 } }, "score.maxNodes: Cannot score with maxNodes 16 beside nodes 8: that is"],
    [{ score: { confidence: 0.9 } }, 'score.confidence: Cannot score with confidence 0.9 and the filter "all": it is'],
    [
      { search: { fractions: [0.0001] } },
      "search.fractions: Cannot search over the fractions 0.0001: they switch off none of the 192 neurons of a layer",
    ],
    [
      { score: { site: "down" }, search: { fractions: [0.003, 0.004] } },
      "search.fractions: Cannot search over the fractions 0.003, 0.004: they switch off none of the 100 neurons",
    ],
  ];
  for (const [changes, problem] of refused) {
    const found = problemOf(changes);
    assertEquals(found?.slice(0, 22 + problem.length), `Cannot start the job: ${problem}`, JSON.stringify(changes));
  }
});

Deno.test("the service refuses at once what does not fit the model, or a model that cannot be used, and keeps nothing", async () => {
  await withService({}, async (test) => {
    const refusal = async (request: unknown): Promise<string> => {
      const answer = await test.call("/v1/jobs", posting(request));
      const { status, detail } = await answer.json();
      assertEquals([answer.status, status], [400, 400]);
      assertEquals(answer.headers.get("content-type"), "application/problem+json");
      return detail;
    };
    assertMatch(
      await refusal(tinyRequest({ score: { layers: [2] } })),
      /^Cannot start the job: score\.layers: .*0\.\.1$/,
    );
    assertMatch(await refusal(tinyRequest({ adaptation: { count: 9 } })), /^Cannot start the job: adaptation\.count: /);
    const path = join(test.settings.modelsFolder!, "tiny", "config.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/"model_type":\s*"\w+"/, '"model_type": "unheard-of"'));
    const unusable = await refusal(tinyRequest());
    assertMatch(unusable, /^Cannot start the job: model "tiny" cannot be used: .*unheard-of/);
    assertEquals(unusable.includes(test.settings.modelsFolder!), false);
    assertEquals(await readdir(test.settings.jobsFolder), [".lock"]);
    await writeFile(path, text);
    assertEquals((await test.wait((await test.submit()).id)).state, "done");
  });
});
