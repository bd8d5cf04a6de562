/** The commands of the documentation: all of them are understood, and those of the tutorial do what it says. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { commands } from "../../src/cli/commands.ts";
import { projectPath, secateur, withFolder } from "./program.ts";

/** Documents with commands, from the root. */
async function documents(): Promise<string[]> {
  const found = ["README.md"];
  for await (const { name, isFile } of Deno.readDir(projectPath("docs"))) {
    if (isFile && name.endsWith(".md")) found.push(`docs/${name}`);
  }
  return found.sort();
}

/** Words of a command line; only double quotes are known. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
}

/** Arguments of every indented or fenced line that starts the program, its continuations and no comment included. */
async function documentedCommands(document: string): Promise<string[][]> {
  const text = (await Deno.readTextFile(projectPath(document))).replaceAll(/\\\n\s*/g, "");
  const fenced = [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block.split("\n"));
  const indented = text.split("\n").filter((line) => line.startsWith("    ")).map((line) => line.slice(4));
  return [...fenced, ...indented].flatMap((line) => {
    const match = /^(?:npx -y deno task )?secateur (?=[a-z])(.*?)(?:\s+#.*)?$/.exec(line);
    return match ? [splitWords(match[1])] : [];
  });
}

Deno.test("every command in README.md and docs is one that the program understands", async () => {
  let count = 0;
  for (const document of await documents()) {
    for (const [name, ...args] of await documentedCommands(document)) {
      const line = `${document}: secateur ${[name, ...args].join(" ")}`;
      const command = commands.find((command) => command.name === name);
      assert(command, line);
      if (args.includes("--help")) continue;
      try {
        const placed = args.map((word) => word.startsWith("examples/") ? projectPath(word) : word);
        command.check(await command.expand?.(placed) ?? placed);
      } catch (error) {
        throw new Error(`${line}\n${(error as Error).message}`);
      }
      count++;
    }
  }
  assert(count >= 40, `${count} commands`);
});

Deno.test("every link of docs leads to a file", async () => {
  const broken: string[] = [];
  for (const document of await documents()) {
    const text = await Deno.readTextFile(projectPath(document));
    for (const [, target] of text.matchAll(/\]\(([\w./-]+)(?:#[^)]*)?\)/g)) {
      const url = new URL(target, new URL(document, "file:///"));
      if (await Deno.stat(projectPath(url.pathname.slice(1))).catch(() => null) === null) {
        broken.push(`${document}: ${target}`);
      }
    }
  }
  assertEquals(broken, []);
});

Deno.test("the index of docs names every page", async () => {
  const index = await Deno.readTextFile(projectPath("docs/README.md"));
  const pages = (await documents()).filter((path) => path.startsWith("docs/")).map((path) =>
    path.slice("docs/".length)
  );
  for (const page of pages.filter((name) => name !== "README.md")) {
    assertStringIncludes(index, `(${page})`);
  }
});

/** Commands of the tutorial that need a model of the reader's, or take minutes; others test redraws. */
const notRun = (args: readonly string[]) => args.includes("MODEL") || args[0] === "demo";

Deno.test("the commands of the tutorial work in their order, and print what it shows", async () => {
  await withFolder(async (folder) => {
    const printed: string[] = [];
    for (const args of await documentedCommands("docs/tutorial.md")) {
      if (notRun(args)) continue;
      const placed = args.map((word) => word.startsWith("out/") ? `${folder}/${word}` : word);
      const { code, stdout, stderr } = await secateur(placed);
      assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
      printed.push(stdout);
    }
    const tutorial = await Deno.readTextFile(projectPath("docs/tutorial.md"));
    const [, shown] = /```text\n([\s\S]*?)```/.exec(tutorial)!;
    /** What the table says, in whole percent: adapters may differ in a row or two. */
    const accuracies = (text: string) =>
      [...text.matchAll(/^ {2}(unpruned|pruned|random neurons|random, searched|lowest attribution) +(0\.\d{4})/gm)]
        .map(([, name, value]) => `${name} ${Math.round(100 * Number(value))} %`);
    assertEquals(accuracies(shown).length, 5);
    assertEquals(accuracies(printed.find((text) => text.includes("random, searched"))!), accuracies(shown));
  });
});
