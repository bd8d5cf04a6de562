/** The shape of the code: layers, ownership of kernels, and what each layer may touch. */
import { assert, assertEquals } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { exportName, kernelFiles, renderKernels } from "../../tools/generate_kernels.ts";

/** The entries of the package, such as `mod.ts`. */
const packageEntries = Object.values(manifest.exports).map((path) => path.slice("./".length));
const packages = new Set(Object.keys(manifest.imports));
const root = fileURLToPath(new URL("../../", import.meta.url));

const layers: Readonly<Record<string, number>> = {
  cli: 9,
  serve: 8,
  report: 7,
  method: 6,
  engine: 5,
  model: 4,
  ops: 3,
  checkpoint: 2,
  tasks: 2,
  gpu: 1,
  text: 1,
};

interface Source {
  /** Path from the root with `/`, such as `src/gpu/device.ts`. */
  readonly path: string;
  /** The text as it is. */
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  /** Paths from the root of the project files it imports; package names as written. */
  readonly imports: readonly string[];
}

/** Drops comments; a `//` inside a string survives because it follows a colon or a quote. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/\*[\s\S]*?\*\//gm, "").replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

function importSpecifiers(code: string): string[] {
  const statement = /\b(?:import|export)\s(?:[^;"'`]*?\sfrom\s*)?["']([^"']+)["']/g;
  const dynamic = /\bimport\(\s*["'`]([^"'`]+)["'`]/g;
  return [...code.matchAll(statement), ...code.matchAll(dynamic)].map((match) => match[1]);
}

async function readSources(): Promise<Source[]> {
  const paths = [...packageEntries];
  for (const folder of ["src", "kernels"]) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !/\.(ts|js|mjs)$/.test(entry.name)) continue;
      paths.push(join(entry.parentPath, entry.name).slice(root.length).replaceAll(sep, "/"));
    }
  }
  return await Promise.all(
    paths.sort().map(async (path) => {
      const text = await readFile(join(root, path), "utf8");
      const code = withoutComments(text);
      const imports = importSpecifiers(code).map((specifier) =>
        specifier.startsWith(".") ? normalize(join(dirname(path), specifier)).replaceAll(sep, "/") : specifier
      );
      return { path, text, code, imports };
    }),
  );
}

const sources = await readSources();

/** Name of the layer a file belongs to, such as `gpu`; null outside `src/`. */
function layerOf(path: string): string | null {
  const parts = path.split("/");
  return parts[0] === "src" ? parts[1] : null;
}

function violations(rule: (source: Source) => readonly string[]): string[] {
  return sources.flatMap((source) => rule(source).map((complaint) => `${source.path}: ${complaint}`));
}

Deno.test("the import scanner finds every form of import when a file mixes them", () => {
  const code = withoutComments(`
    /** import x from "./comment.ts"; */
    import { a } from "./a.ts"; // import z from "./trailing.ts"
    import type {
      B,
    } from "./b.ts";
    export * from './c.ts';
    import "./d.ts";
    const e = await import("./e.ts");
    const url = "https://example.org";
    export const f = "from";`);
  assertEquals(importSpecifiers(code), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
});

Deno.test("every source file belongs to a known layer", () => {
  assertEquals(
    violations(({ path }) => {
      const layer = layerOf(path);
      return layer === null || layer in layers ? [] : [`unknown layer ${layer}`];
    }),
    [],
  );
});

Deno.test("imports point to the same folder or to a lower layer", () => {
  const complaints = violations(({ path, imports }) => {
    const from = layerOf(path);
    return imports.flatMap((target) => {
      if (from === null || /^(node|npm|jsr):|^@/.test(target) || packages.has(target.split("/")[0])) return [];
      if (target === "kernels/mod.ts") return from === "ops" ? [] : ["only src/ops imports kernels"];
      // The program and the service read their version where it is stated.
      if (target === "deno.json") return ["cli", "serve"].includes(from) ? [] : ["only the entries read deno.json"];
      const to = layerOf(target);
      if (to === null) return [`imports ${target}, which is outside src/`];
      return to === from || layers[to] < layers[from] ? [] : [`imports ${target}, which is not below ${from}`];
    });
  });
  assertEquals(complaints, []);
});

Deno.test("the project has no import cycle through the package's entries or the program's", () => {
  const ends = [...packageEntries, "src/cli/main.ts"];
  assertEquals(violations(({ imports }) => imports.filter((target) => ends.includes(target))), []);
});

Deno.test("no entry of the package imports the program or the service", () => {
  assertEquals(
    violations(({ path, imports }) =>
      packageEntries.includes(path) ? imports.filter((target) => /^src\/(cli|serve)\//.test(target)) : []
    ),
    [],
  );
});

/** What a file imports when it runs, from the root: types are not there then. */
function runtimeImports({ path, code }: Source): string[] {
  const values = code.replaceAll(/\b(?:import|export)\s+type\s[^;]*;/g, "");
  return importSpecifiers(values).map((specifier) =>
    specifier.startsWith(".") ? normalize(join(dirname(path), specifier)).replaceAll(sep, "/") : specifier
  );
}

Deno.test("core.ts reaches neither Deno nor Node, nor the file system", () => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const seen = new Set<string>();
  const complaints: string[] = [];
  const walk = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const target of runtimeImports(byPath.get(path)!)) {
      if (target.startsWith("node:")) complaints.push(`${path}: imports ${target}`);
      else if (byPath.has(target)) walk(target);
      else if (!packages.has(target)) complaints.push(`${path}: imports ${target}`);
    }
  };
  walk("core.ts");
  assertEquals(complaints, []);
  assert(seen.has("src/engine/webgpu.ts") && seen.has("kernels/mod.ts"), [...seen].join(", "));
});

Deno.test("method imports the waist and no concrete engine", () => {
  assertEquals(
    violations(({ path, imports }) =>
      layerOf(path) !== "method"
        ? []
        : imports.filter((target) => layerOf(target) === "engine" && target !== "src/engine/engine.ts")
          .concat(imports.filter((target) => ["model", "ops", "gpu"].includes(layerOf(target) ?? "")))
    ),
    [],
  );
});

Deno.test("the reference engine shares no arithmetic with the fast one", () => {
  assertEquals(
    violations(({ path, imports }) =>
      !path.startsWith("src/engine/reference/")
        ? []
        : imports.filter((target) =>
          ["model", "ops", "gpu"].includes(layerOf(target) ?? "") || target.startsWith("src/engine/webgpu")
        )
    ),
    [],
  );
});

Deno.test("only the program and the service use the Deno global and the console", () => {
  assertEquals(
    violations(({ path, code }) => {
      if (["cli", "serve"].includes(layerOf(path) ?? "")) return [];
      return [...code.matchAll(/\bDeno\.\w+|\bconsole\.\w+|\bprocess\.(?:exit|stdout|stderr)/g)].map(([use]) => use);
    }),
    [],
  );
});

Deno.test("no comment is wider than a line of code may be", () => {
  const width = manifest.fmt.lineWidth;
  const complaints = violations(({ text }) =>
    text.split("\n").flatMap((line, index) =>
      line.length > width && /^\s*(?:\/\/|\/?\*)/.test(line) ? [`line ${index + 1} has ${line.length} columns`] : []
    )
  );
  assertEquals(complaints, []);
});

Deno.test("only the program, and the entry for `deno serve`, end the process", () => {
  assertEquals(
    violations(({ path, code }) =>
      layerOf(path) === "cli" || path === "src/serve/main.ts" ? [] : code.match(/\b(?:Deno|process)\.exit\b/g) ?? []
    ),
    [],
  );
});

Deno.test("kernels/mod.ts holds the text of every .wgsl file", async () => {
  const present = await readFile(join(root, "kernels/mod.ts"), "utf8");
  assert(present === await renderKernels(), "kernels/mod.ts is out of date: run `deno task kernels`");
});

Deno.test("every kernel is owned by exactly one file of src/ops", async () => {
  const owners = new Map<string, string[]>();
  for (const { path, code } of sources) {
    for (const [, names] of code.matchAll(/\bimport\s*\{([^}]*)\}\s*from\s*["'][./]+kernels\/mod\.ts["']/g)) {
      for (const name of names.split(",").map((part) => part.trim().split(/\s+as\s+/)[0]).filter(Boolean)) {
        owners.set(name, [...owners.get(name) ?? [], path]);
      }
    }
  }
  const complaints = (await kernelFiles()).flatMap((file) => {
    const files = owners.get(exportName(file)) ?? [];
    return files.length === 1 ? [] : [`${file}: imported by ${files.length ? files.join(", ") : "no file"}`];
  });
  assertEquals(complaints, []);
});

Deno.test("every kernel is in the index kernels/README.md", async () => {
  const index = await readFile(join(root, "kernels/README.md"), "utf8");
  assertEquals((await kernelFiles()).filter((file) => !index.includes(file)), []);
});

Deno.test("exportName() joins words in camel case when a kernel's file name has several", () => {
  assertEquals(exportName("rmsnorm.wgsl"), "rmsnorm");
  assertEquals(exportName("matmul_nt_64.wgsl"), "matmulNt64");
});
