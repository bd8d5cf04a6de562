/** The index of kernels points at oracles, tests and bench groups that exist. */
import { assert, assertEquals } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { kernelGroups } from "../../bench/kernel_cases.ts";
import { kernelFiles } from "../../tools/generate_kernels.ts";

const project = new URL("../../", import.meta.url);

/** Cells of the rows of the index below its heading. */
async function indexRows(): Promise<string[][]> {
  const text = await readFile(new URL("kernels/README.md", project), "utf8");
  const lines = text.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()));
}

/** The names in backquotes of a cell. */
function namesOf(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
}

/** The text of all files of a folder. */
async function textOf(folder: string): Promise<string> {
  const names = await readdir(new URL(folder, project));
  return (await Promise.all(names.map((name) => readFile(new URL(`${folder}${name}`, project), "utf8")))).join("\n");
}

Deno.test("kernels/README.md has every kernel in one row", async () => {
  const kernels = (await indexRows()).flatMap(([cell]) => namesOf(cell));
  assertEquals(kernels.toSorted(), await kernelFiles());
});

Deno.test("kernels/README.md names oracles and tests that exist", async () => {
  const oracles = await textOf("src/engine/webgpu/proofs/oracles/") + await textOf("tests/kernels/cases/");
  const tests = await readdir(new URL("tests/kernels/", project));
  for (const [kernels, , oracleCell, testCell] of await indexRows()) {
    for (const oracle of namesOf(oracleCell)) {
      assert(oracles.includes(`export function ${oracle.replace("()", "")}(`), `${kernels}: no oracle ${oracle}`);
    }
    assert(namesOf(testCell).every((test) => tests.includes(test)), `${kernels}: no test ${testCell}`);
  }
});

Deno.test("kernels/README.md names groups of the bench that exist", async () => {
  const groups = kernelGroups(true).map(({ name }) => name.split(" ")[0]);
  for (const [kernels, , , , benchCell] of await indexRows()) {
    for (const group of namesOf(benchCell)) assert(groups.includes(group), `${kernels}: no group ${group}`);
  }
});
