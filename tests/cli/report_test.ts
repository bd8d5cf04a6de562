/** `secateur report` and `secateur compare` as processes, on runs of the bundled model. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertDocumentedCommands, demoModel, demoTask, projectPath, secateur, withFolder } from "./program.ts";

const small = ["--adaptation-examples", "4", "--nodes", "4", "--fractions", "0.1,0.3", "--limit", "12"];

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await secateur(args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

Deno.test("secateur report writes the same page again, and secateur compare finds both engines in agreement", async () => {
  await withFolder(async (folder) => {
    const [gpu, cpu] = [`${folder}/gpu`, `${folder}/cpu`];
    const run = ["run", "--model", demoModel, "--task", demoTask, ...small];
    await succeed(...run, "--out", gpu);
    await succeed(...run, "--out", cpu, "--engine", "reference");

    const page = await Deno.readTextFile(`${gpu}/report.html`);
    await Deno.remove(`${gpu}/report.html`);
    assertEquals(await succeed("report", gpu), `written: ${gpu}/report.html\n`);
    assertEquals(await Deno.readTextFile(`${gpu}/report.html`), page);
    const printed = JSON.parse(await succeed("report", gpu, "--out", `${folder}/page.html`, "--json"));
    assertEquals(printed, { files: [`${folder}/page.html`] });
    assertEquals(await Deno.readTextFile(`${folder}/page.html`), page);

    const compared = JSON.parse(await succeed("compare", gpu, cpu, "--html", `${folder}/both.html`, "--json"));
    assertEquals([compared.a.engine.kind, compared.b.engine.kind], ["webgpu", "reference"]);
    assertEquals([compared.plan.same, compared.differences], [true, []]);
    assert(compared.scores.worst > 0 && compared.scores.worst < 1e-4, `${compared.scores.worst}`);
    assert(compared.pruned.worst < 1e-4, `${compared.pruned.worst}`);
    assertEquals(compared.pruned.paired.count, 12);
    assertMatch(await Deno.readTextFile(`${folder}/both.html`), /^<!doctype html>[^]*the same plan/);
    const text = await succeed("compare", gpu, cpu);
    assertMatch(text, /^ {2}engine +WebGPU on .* float64 reference$/m);
    assertMatch(text, /^plans: the same, \d+ neurons$/m);
    assertMatch(text, /^scores: worst difference \de-\d of the layer's largest|^scores: worst difference \d\.\de-\d/m);
    assertMatch(text, /^asked for: the same$/m);
  });
});

Deno.test("secateur study ends with a page, which secateur report writes again", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/study`;
    const protocol = ["--parts", "main", "--redraws", "1", "--fractions", "0.1,0.3", "--nodes", "4", "--limit", "8"];
    await succeed("study", "--model", demoModel, "--tasks", demoTask, "--out", out, ...protocol);
    const page = await Deno.readTextFile(`${out}/report.html`);
    assertMatch(page, /^<!doctype html>[^]*Over 1\u00a0redraw of 10\u00a0examples, pruning[^]*<\/html>\n$/);
    assertMatch(page, /secateur study --model [^<]*--redraws 1/);
    await Deno.remove(`${out}/report.html`);
    assertEquals(await succeed("report", out), `written: ${out}/report.html\n`);
    assertEquals(await Deno.readTextFile(`${out}/report.html`), page);
  });
});

Deno.test("secateur report and compare name what is missing when a folder holds no complete run", async () => {
  await withFolder(async (folder) => {
    const report = await secateur(["report", folder]);
    assertEquals(report.code, 1);
    assertMatch(report.stderr, /^Error: Cannot use .* as the folder of a complete run: it has no run\.json\nHint: /);
    const nowhere = await secateur(["report", `${folder}/nowhere`]);
    assertEquals(nowhere.code, 1);
    assertMatch(nowhere.stderr, /^Error: .*nowhere.*\nHint: /);
    const compare = await secateur(["compare", folder]);
    assertEquals(compare.code, 2);
    assertMatch(compare.stderr, /^Error: DIR_B is missing\nHint: /);
    const many = await secateur(["report", folder, folder]);
    assertEquals(many.code, 2);
    assertMatch(many.stderr, /^Error: unexpected argument .*\nHint: secateur report DIR; /);
  });
});

Deno.test("docs/report.md names only commands and options that are there", async () => {
  assert(await assertDocumentedCommands("docs/report.md") >= 5);
  const text = await Deno.readTextFile(projectPath("docs/report.md"));
  for (const [, picture] of text.matchAll(/\]\((pictures\/[^)]+)\)/g)) {
    assert((await Deno.stat(projectPath(`docs/${picture}`))).size < 200_000, picture);
  }
});
