/**
 * Writes `docs/licences.md`: every package of `deno.lock` with its licence, as its own package.json states it.
 * `--check` writes nothing and fails when the file is out of date.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../deno.json" with { type: "json" };
import { writeOrCheck } from "./generated_file.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** One package of the lock file. */
interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Keys of the lock file. */
  readonly dependencies: readonly string[];
}

/** The packages of a lock file by key, such as `d3@7.9.0`. */
export function lockedPackages(lock: string): Map<string, LockedPackage> {
  const { npm } = JSON.parse(lock) as { npm: Record<string, { dependencies?: string[] }> };
  const keys = Object.keys(npm);
  // A name without a version is the only one of that name.
  const resolve = (key: string) => npm[key] ? key : keys.find((other) => other.startsWith(`${key}@`)) ?? key;
  return new Map(keys.map((key) => {
    const [, name, version] = /^(@?[^@]+)@([^_]+)/.exec(key)!;
    return [key, { name, version, dependencies: (npm[key].dependencies ?? []).map(resolve) }];
  }));
}

/** Names of the packages that the program itself imports. */
async function importedNames(names: readonly string[]): Promise<Set<string>> {
  const files = Object.values(manifest.exports).map((path) => join(root, path));
  for (const entry of await readdir(join(root, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith(".ts")) files.push(join(entry.parentPath, entry.name));
  }
  const found = new Set<string>();
  for (const file of files) {
    for (const [, specifier] of (await readFile(file, "utf8")).matchAll(/(?:from|import\(|import)\s*"([^".][^"]*)"/g)) {
      const name = names.find((name) => specifier === name || specifier.startsWith(`${name}/`));
      if (name) found.add(name);
    }
  }
  return found;
}

/** The licence that a package states, read from Deno's cache. */
async function licenceOf(cache: string, { name, version }: LockedPackage): Promise<string> {
  for (const host of await readdir(cache)) {
    const path = join(cache, host, name, version, "package.json");
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const { license, licenses } = JSON.parse(text);
    return license?.type ?? license ?? licenses?.map(({ type }: { type: string }) => type).join(" OR ") ??
      "none stated";
  }
  throw new Error(`Cannot find ${name}@${version} in ${cache}: run \`deno install\` first`);
}

async function render(): Promise<string> {
  const packages = lockedPackages(await readFile(join(root, "deno.lock"), "utf8"));
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const imported = await importedNames([...packages.values()].map(({ name }) => name));
  const program = new Set<string>();
  const visit = (key: string) => {
    if (program.has(key)) return;
    program.add(key);
    packages.get(key)!.dependencies.forEach(visit);
  };
  for (const [key, { name }] of packages) if (imported.has(name)) visit(key);
  const rows = [];
  for (const [key, locked] of packages) {
    rows.push([locked.name, locked.version, await licenceOf(npmCache, locked), program.has(key) ? "program" : "tests"]);
  }
  const table = [["package", "version", "licence", "used by"], ["---", "---", "---", "---"], ...rows];
  return `# Licences of dependencies

Written by \`deno task licences\` from \`deno.lock\` and the packages themselves. \`program\`: something under \`src/\` imports it,
or a package that does needs it; \`tests\`: only tests, tools and benches do. \`tests/unit/licences_test.ts\` fails when a package
of the lock file is not listed, or has a licence that is not accepted.

${table.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}
`;
}

/** The text as `deno fmt` leaves it. */
async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "--line-width", "120", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

if (import.meta.main) {
  await writeOrCheck({
    url: new URL("../docs/licences.md", import.meta.url),
    name: "docs/licences.md",
    sources: "deno.lock and the packages themselves",
    task: "licences",
    wanted: await formatted(await render()),
  });
}
