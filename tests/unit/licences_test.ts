/** The packages that are locked: each listed with a licence that is accepted, pinned, and installed without scripts. */
import { assert, assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import manifest from "../../deno.json" with { type: "json" };
import { lockedPackages } from "../../tools/generate_licences.ts";

/** Licences that ask for no more than to be named. */
const accepted = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unlicense",
  // Weak copyleft, file by file, of a test tool that is not distributed.
  "MPL-2.0",
]);

const root = new URL("../../", import.meta.url);
const lock = await readFile(new URL("deno.lock", root), "utf8");

Deno.test("docs/licences.md lists every locked package, with a licence that is accepted", async () => {
  const text = await readFile(new URL("docs/licences.md", root), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("|")).slice(2).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  const listed = rows.map(([name, version]) => `${name}@${version}`);
  const locked = [...lockedPackages(lock).values()].map(({ name, version }) => `${name}@${version}`);
  assertEquals(listed.sort(), locked.sort(), "docs/licences.md is out of date: run `deno task licences`");
  assertEquals(rows.filter(([, , licence]) => !accepted.has(licence)), []);
  assertEquals(rows.filter(([, , licence, use]) => licence === "MPL-2.0" && use !== "tests"), []);
});

Deno.test("deno.json pins every npm package to one version", () => {
  const specifiers = Object.values(manifest.imports).filter((specifier) => specifier.startsWith("npm:"));
  assert(specifiers.length > 10);
  assertEquals(specifiers.filter((specifier) => !/^npm:(?:@[^/]+\/)?[^@/]+@\d+\.\d+\.\d+$/.test(specifier)), []);
});

Deno.test("deno.lock has an integrity hash for every package, and none is let run install scripts", () => {
  const { npm } = JSON.parse(lock) as { npm: Record<string, { integrity?: string }> };
  assertEquals(Object.entries(npm).filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? "")), []);
  // Deno runs install scripts only of packages named here, and only into a node_modules folder.
  assertEquals("allowScripts" in manifest, false);
  assertEquals(manifest.nodeModulesDir, "none");
});

Deno.test("lockedPackages() finds names, versions and dependencies when keys have scopes, peers or no version", () => {
  const packages = lockedPackages(JSON.stringify({
    npm: {
      "@a/b@1.2.3": { dependencies: ["c", "d@2.0.0"] },
      "c@0.1.0_d@2.0.0": {},
      "d@1.0.0": {},
      "d@2.0.0": {},
    },
  }));
  assertEquals(packages.get("@a/b@1.2.3"), {
    name: "@a/b",
    version: "1.2.3",
    dependencies: ["c@0.1.0_d@2.0.0", "d@2.0.0"],
  });
  assertEquals(packages.get("c@0.1.0_d@2.0.0")!.version, "0.1.0");
});
