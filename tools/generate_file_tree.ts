/**
 * Writes two file trees: `README.md` has a line per folder, `docs/files.md` a line per file with the first sentence of
 * its header. `--check` writes nothing and fails when a tree is out of date, or a file has no header.
 */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** An entry of the trees. */
interface Entry {
  readonly path: string;
  /** What README says; a file without it speaks for itself. */
  readonly description?: string;
  /** Whether `docs/files.md` lists the files inside. */
  readonly isListed?: boolean;
}

/** What the trees show, in this order. */
const outline: readonly Entry[] = [
  { path: "mod.ts", description: "the public API: the main job" },
  { path: "core.ts", description: "the part of it that needs no file system, for browsers" },
  { path: "methods.ts", description: "other ways to score and to choose, and what a plan does elsewhere" },
  { path: "study.ts", description: "the paper's protocol, its parts and rules" },
  { path: "shards.ts", description: "one job on many machines" },
  { path: "kernels/", description: "handwritten WGSL, and its index", isListed: true },
  { path: "src/cli/", description: "the program: arguments, progress, exit codes", isListed: true },
  { path: "src/serve/", description: "the service for `deno serve`", isListed: true },
  { path: "src/report/", description: "results as HTML and SVG", isListed: true },
  { path: "src/method/", description: "attribution, search, plans, baselines, studies", isListed: true },
  { path: "src/engine/", description: "the two engines: WebGPU, and the float64 reference", isListed: true },
  { path: "src/model/", description: "weights, packing, layers, the sweep", isListed: true },
  { path: "src/ops/", description: "one file per kernel family", isListed: true },
  { path: "src/checkpoint/", description: "safetensors, configurations, the Hugging Face hub", isListed: true },
  { path: "src/tasks/", description: "tokenizer, templates, task files, rows, scoring", isListed: true },
  { path: "src/gpu/", description: "device, memory, kernels, recorder", isListed: true },
  { path: "src/text/", description: "formats that several folders read", isListed: true },
  { path: "tools/", description: "what the tasks of deno.json run", isListed: true },
  { path: "examples/", description: "the demo: model, task, training script; and programs that use the package" },
  { path: "tests/unit/", description: "files, tokens, tasks, the method, the structure of the code; no adapter" },
  { path: "tests/kernels/", description: "every kernel against a float64 oracle" },
  { path: "tests/parity/", description: "the engines against each other, finite differences, written checkpoints" },
  { path: "tests/golden/", description: "numbers of other programs, and the engines against them" },
  { path: "tests/cli/", description: "the program, as a process" },
  { path: "tests/serve/", description: "the service, over HTTP" },
  { path: "tests/browser/", description: "pages in a real browser" },
  { path: "tests/trust/", description: "attacks, faults, kills, permissions" },
  { path: "tests/models/", description: "models of real size; opt-in" },
  { path: "tests/slurm/", description: "the demo on a real Slurm; opt-in" },
  { path: "tests/support/", description: "what tests share" },
  { path: "tests/QUARANTINE.md", description: "tests that fail now and then" },
  { path: "bench/", description: "check, then time, then record; the log of what was tried", isListed: true },
  { path: "docs/", description: "tutorial, method, tasks, models, service, and more" },
  { path: "deno.json", description: "name, version, dependencies, tasks" },
  { path: ".ci/run", description: "the gate" },
  { path: "ARCHITECTURE.md", description: "layers, the life of one example, how to add a kernel or a model family" },
  { path: "CONTRIBUTING.md", description: "how to work on this" },
  { path: "CHANGELOG.md", description: "what changed, as symptom, cause, and what is true now" },
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

function format(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.map(([name, description]) => `${name.padEnd(width)}  ${description}`.trimEnd()).join("\n");
  return `${startMark}\n\n\`\`\`text\n${text}\n\`\`\`\n\n${endMark}`;
}

/** A line per folder. */
function renderOverview(entries: readonly Entry[]): string {
  return format(entries.map(({ path, description = "" }) => [path, description]));
}

/** A line per file of the folders that are listed. */
async function renderFiles(entries: readonly Entry[]): Promise<string> {
  const lines: [string, string][] = [];
  for (const { path, isListed } of entries) {
    // The entries of the package stand in the root.
    if (/^\w+\.ts$/.test(path)) lines.push([path, await describe(path)]);
    if (isListed) lines.push([path, ""], ...await listFolder(path, "  "));
  }
  return format(lines);
}

/** The text of a document with the tree between its marks replaced. */
function withTree(path: string, text: string, tree: string): string {
  const [start, end] = [text.indexOf(startMark), text.indexOf(endMark)];
  if (start < 0 || end < start) throw new Error(`${path} has lost the marks around its file tree`);
  return text.slice(0, start) + tree + text.slice(end + endMark.length);
}

const filesHeader = `# Every file of the source\n\nGenerated: the first sentence of each file's header.\n\n`;

const entries: Entry[] = [];
for (const entry of outline) {
  if (await isThere(entry.path)) entries.push(entry);
}
const trees: readonly (readonly [path: string, fallback: string, tree: string])[] = [
  ["README.md", "", renderOverview(entries)],
  ["docs/files.md", `${filesHeader}${startMark}\n${endMark}\n`, await renderFiles(entries)],
];
for (const [path, fallback, tree] of trees) {
  const target = fileURLToPath(new URL(path, root));
  const text = await readFile(target, "utf8").catch(() => fallback);
  const wanted = withTree(path, text, tree);
  if (text === wanted) {
    console.log(`the file tree in ${path} is up to date`);
  } else if (Deno.args.includes("--check")) {
    console.error(
      `Error: the file tree in ${path} is out of date.\nHint: run \`deno task tree\` and commit the result.`,
    );
    Deno.exit(1);
  } else {
    await writeFile(target, wanted);
    console.log(`wrote the file tree in ${path}`);
  }
}
