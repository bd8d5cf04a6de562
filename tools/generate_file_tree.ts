/**
 * Writes the file tree in `README.md`: one line per file with the first sentence of its header. `--check` writes nothing and
 * fails when the tree is out of date, or a file has no header.
 */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** Files and folders that cannot speak for themselves, and where the others go: in this order. */
const outline: readonly (readonly [path: string, description?: string])[] = [
  ["mod.ts"],
  ["kernels/"],
  ["src/cli/"],
  ["src/serve/"],
  ["src/report/"],
  ["src/method/"],
  ["src/engine/"],
  ["src/model/"],
  ["src/ops/"],
  ["src/checkpoint/"],
  ["src/tasks/"],
  ["src/gpu/"],
  ["tools/"],
  ["examples/demo/model/", "the bundled checkpoint: Llama architecture, trained for the demo"],
  ["examples/demo/task/", "its task: YAML in the format of lm-evaluation-harness, rows as JSON Lines"],
  ["examples/demo/data.py"],
  ["examples/demo/train.py"],
  ["examples/demo/evaluate.py"],
  ["tests/unit/", "files, tokens, tasks, the method, the structure of the code; no adapter"],
  ["tests/kernels/", "every kernel against a float64 oracle"],
  ["tests/parity/", "the engines agree with each other, with finite differences, and with written checkpoints"],
  ["tests/golden/", "numbers of an independent PyTorch program, and the engines against them"],
  ["tests/cli/", "the program, as a process"],
  ["tests/browser/", "pages in a headless Chromium"],
  ["tests/support/", "what tests share"],
  ["tests/QUARANTINE.md", "tests that fail now and then: none"],
  ["bench/", "check, then time, then record; the log of what was tried"],
  ["deno.json", "name, version, dependencies, tasks"],
  [".ci/run", "the gate"],
  ["ARCHITECTURE.md", "layers, the life of one example, how to add a kernel or a model family"],
  ["CONTRIBUTING.md", "how to work on this"],
  ["CHANGELOG.md", "what changed, as symptom, cause, and what is true now"],
];

/** Longest description, in characters. */
const longest = 100;

const startMark = "<!-- Written by `deno task tree` -->";
const endMark = "<!-- End of the tree -->";

/** The first sentence of a file's header, without its full stop. */
function firstSentence(path: string, text: string): string {
  const docstring = /^"""([\s\S]*?)"""/.exec(text)?.[1];
  const block = /^(?:\/\/.*\n)*\/\*\*([\s\S]*?)\*\//.exec(text)?.[1].replaceAll(/^\s*\* ?/gm, "");
  // Of a kernel, the equation alone.
  const equation = path.endsWith(".wgsl") ? /^\/\/ (.*)$/m.exec(text)?.[1].split(/; |: {2}| {2}arXiv/)[0] : undefined;
  const header = equation ?? docstring ?? block;
  const sentence = header?.replaceAll(/\s+/g, " ").trim().split(/(?<=\S)\.(?:\s|$)/)[0];
  if (!sentence) throw new Error(`${path} has no header comment`);
  if (sentence.length <= longest) return sentence;
  // What follows a colon or the last comma that fits is detail.
  const cut = sentence.split(/[:;] /)[0];
  return cut.length <= longest
    ? cut
    : cut.slice(0, Math.max(cut.lastIndexOf(", ", longest), cut.lastIndexOf(" ", longest)));
}

async function describe(path: string): Promise<string> {
  return firstSentence(path, await readFile(new URL(path, root), "utf8"));
}

/** Lines of one folder: its files, then its folders. */
async function listFolder(folder: string, indent: string): Promise<[string, string][]> {
  const entries = (await readdir(new URL(folder, root), { withFileTypes: true }).catch(() => []))
    .sort((a, b) => Number(a.isDirectory()) - Number(b.isDirectory()) || (a.name < b.name ? -1 : 1));
  const lines: [string, string][] = [];
  for (const entry of entries) {
    const path = folder + entry.name;
    if (entry.isDirectory()) {
      const inside = await listFolder(`${path}/`, `${indent}  `);
      if (inside.length > 0) lines.push([`${indent}${entry.name}/`, ""], ...inside);
    } else if (/\.(ts|wgsl)$/.test(entry.name)) {
      lines.push([indent + entry.name, await describe(path)]);
    } else if (entry.name === "README.md") {
      lines.push([indent + entry.name, "index"]);
    }
  }
  return lines;
}

/** Whether a file, or a folder that has anything in it, is there. */
async function isThere(path: string): Promise<boolean> {
  const place = new URL(path, root);
  return path.endsWith("/")
    ? (await readdir(place).catch(() => [])).length > 0
    : await stat(place).then(() => true, () => false);
}

/** The tree as the text between the marks. */
async function renderTree(): Promise<string> {
  const lines: [string, string][] = [];
  for (const [path, description] of outline) {
    if (!await isThere(path)) continue;
    if (description !== undefined) lines.push([path, description]);
    else if (!path.endsWith("/")) lines.push([path, await describe(path)]);
    else {
      const inside = await listFolder(path, "  ");
      if (inside.length > 0) lines.push([path, ""], ...inside);
    }
  }
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.map(([name, description]) => `${name.padEnd(width)}  ${description}`.trimEnd()).join("\n");
  return `${startMark}\n\n\`\`\`text\n${text}\n\`\`\`\n\n${endMark}`;
}

const target = fileURLToPath(new URL("README.md", root));
const readme = await readFile(target, "utf8");
const [start, end] = [readme.indexOf(startMark), readme.indexOf(endMark)];
if (start < 0 || end < start) throw new Error("README.md has lost the marks around its file tree");
const wanted = readme.slice(0, start) + await renderTree() + readme.slice(end + endMark.length);
if (readme === wanted) {
  console.log("the file tree in README.md is up to date");
} else if (Deno.args.includes("--check")) {
  console.error("Error: the file tree in README.md is out of date.\nHint: run `deno task tree` and commit the result.");
  Deno.exit(1);
} else {
  await writeFile(target, wanted);
  console.log("wrote the file tree in README.md");
}
