/** The entries of the package: each exports what is its own, and the documentation names all of it. */
import { assert, assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import manifest from "../../deno.json" with { type: "json" };

const root = new URL("../../", import.meta.url);

/** Files that take the place of a file system, which only `core.ts` exports. */
const portable = /^\.\/src\/(checkpoint\/(open_from|http_source|memory_source)|tasks\/tokenizer_from)\.ts$/;

interface Entry {
  readonly name: string;
  readonly text: string;
  /** Names that are there at run time. */
  readonly values: ReadonlySet<string>;
  /** Every exported name with the file that has it; `*` for all types of a file. */
  readonly exports: ReadonlyMap<string, string>;
}

/** The names of a module that does nothing but export those of others. */
function exportedNames(text: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const [, list, file] of text.matchAll(/^export (?:type )?(\*|\{[^}]*\}) from "([^"]+)";$/gm)) {
    if (list === "*") names.set(`* of ${file}`, file);
    else for (const name of list.slice(1, -1).split(",").map((part) => part.trim())) if (name) names.set(name, file);
  }
  return names;
}

const entries = await Promise.all(
  Object.entries(manifest.exports).map(async ([name, path]): Promise<Entry> => {
    const text = await readFile(new URL(path, root), "utf8");
    const module = await import(new URL(path, root).href);
    return { name, text, values: new Set(Object.keys(module)), exports: exportedNames(text) };
  }),
);
const entry = (name: string) => entries.find((entry) => entry.name === name)!;

Deno.test("every entry of the package does nothing but export, and says so in a comment with an example", () => {
  for (const { name, text, values, exports } of entries) {
    const code = text.replaceAll(/^\/\*[\s\S]*?\*\/|^\/\/.*$/gm, "");
    assertEquals(code.replaceAll(/^export [^;]*;$/gm, "").trim(), "", name);
    assertEquals([...values].filter((value) => !exports.has(value)), [], name);
    assert(/^ \* @example [\s\S]+^ \* ```ts\n[\s\S]+^ \* @module$/m.test(text), name);
  }
});

Deno.test("a name is exported by one entry only, but for what core.ts shares with the main job", () => {
  const shared: string[] = [];
  const core = entry("./core");
  for (const a of entries.filter(({ name }) => name !== "./core")) {
    for (const b of entries.filter(({ name }) => name !== "./core" && name > a.name)) {
      for (const name of a.exports.keys()) if (b.exports.has(name)) shared.push(`${name}: ${a.name}, ${b.name}`);
    }
  }
  assertEquals(shared, []);
  const main = entry(".");
  const foreign = [...core.exports].filter(([name, file]) => !portable.test(file) && main.exports.get(name) !== file);
  assertEquals(foreign, []);
});

Deno.test("the main entry stays small enough to be read", () => {
  const functions = [...entry(".").values].filter((name) => !/^[A-Z]/.test(name));
  assert(functions.length <= 25, `${functions.length} functions: ${functions.join(", ")}`);
});

Deno.test("docs/library.md names every function under the entry that has it", async () => {
  const text = await readFile(new URL("docs/library.md", root), "utf8");
  const main = entry(".");
  for (const { name, values } of entries) {
    const title = `## \`${manifest.name}${name.slice(1)}\`\n`;
    const section = text.split(title)[1]?.split("\n## ")[0] ?? "";
    const own = [...values].filter((value) => name !== "./core" || !main.values.has(value));
    assertEquals(own.filter((value) => !section.includes(`\`${value}\``)), [], name);
  }
});

Deno.test("the programs of docs import names that the entries have", async () => {
  let count = 0;
  for (const document of ["README.md", ...["attribution", "data", "study", "tasks"].map((name) => `docs/${name}.md`)]) {
    const text = await readFile(new URL(document, root), "utf8");
    for (const [, names, path] of text.matchAll(/^import \{([^}]*)\} from "@secateur\/secateur([^"]*)";$/gm)) {
      for (const name of names.split(",").map((part) => part.trim())) {
        assert(entry(`.${path}`)?.values.has(name), `${document}: ${name} is not in ${manifest.name}${path}`);
        count++;
      }
    }
  }
  assert(count >= 15, `${count} names`);
});
