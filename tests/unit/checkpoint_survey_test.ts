import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "../../src/checkpoint/safetensors.ts";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { goldenFolder } from "../support/golden.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";

Deno.test("surveyCheckpoint() opens a supported checkpoint and totals its tensors by type", async () => {
  const { checkpoint, files, types, problems, fields } = await surveyCheckpoint(goldenFolder("llama_sharded_bf16"));
  assertEquals([checkpoint?.config.family, fields.model_type, problems], ["llama", "llama", []]);
  assertEquals(files.length, 3);
  const expected = [...checkpoint!.tensors.values()];
  assertEquals(types, [{
    dtype: "BF16",
    tensors: expected.length,
    elements: expected.reduce((sum, { byteLength }) => sum + byteLength / 2, 0),
    bytes: expected.reduce((sum, { byteLength }) => sum + byteLength, 0),
  }]);
  await checkpoint!.close();
});

Deno.test("surveyCheckpoint() tells every problem of configuration, types and files when nothing can be opened", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyCheckpoint(folder);
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, hidden_act: "gelu" }));
    const tensor = { name: "codes", dtype: "U8", shape: [5], data: new Uint8Array(5) };
    const pieces = encodeSafetensors([tensor]);
    await writeFile(join(folder, "model.safetensors"), pieces);
    const survey = await surveyCheckpoint(folder);
    assertEquals([survey.checkpoint, survey.fields.hidden_act], [null, "gelu"]);
    assertEquals(survey.types, [{ dtype: "U8", tensors: 1, elements: 5, bytes: 5 }]);
    assertEquals(survey.problems.length, 2);
    assertStringIncludes(survey.problems[0], 'hidden_act = "gelu"');
    assertEquals(survey.problems[1], "tensors of type U8: 1; expected F32, F16 or BF16");

    await writeFile(join(folder, "model.safetensors"), "no header");
    assertStringIncludes((await surveyCheckpoint(folder)).problems[1], "Cannot read");
    await rm(join(folder, "model.safetensors"));
    const without = await surveyCheckpoint(folder);
    assertEquals([without.files, without.types, without.problems.length], [[], [], 1]);
  });
});

Deno.test("surveyCheckpoint() throws when there is no configuration to read", async () => {
  await withFolder({ "config.json": "[]" }, async (folder) => {
    await assertRejects(() => surveyCheckpoint(folder), SyntaxError, "expected a JSON object");
    await assertRejects(() => surveyCheckpoint(join(folder, "no")), RangeError, "there is no such folder");
  });
});
