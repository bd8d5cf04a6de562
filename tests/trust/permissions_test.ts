/** The command lines of `docs/permissions.md`, run as they stand there, with every access recorded. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { webgpuEnvironment } from "../../src/cli/webgpu_environment.ts";
import { projectPath } from "../cli/program.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState } from "./folder_state.ts";
import { makeSnapshot, writeTinyProject } from "./tiny_project.ts";

/** The folders that the lines name. */
interface Places {
  readonly MODEL: string;
  readonly DATA: string;
  readonly OUT: string;
  readonly COPY: string;
}

/** One access that Deno was asked for. */
interface Access {
  readonly permission: string;
  readonly value: string;
}

/** The variables that a command may ask for: those that the document names. */
const VARIABLES = new Set(["DENO_WEBGPU_BACKEND", "XDG_RUNTIME_DIR", "SECATEUR_TRACE", "LOG_TOKENS", "LOG_STREAM"]);

/** What each command may touch, as in the document's table. */
const GRANTS: Readonly<Record<string, { read: (keyof Places)[]; write: (keyof Places)[] }>> = {
  run: { read: ["MODEL", "DATA", "OUT"], write: ["OUT"] },
  report: { read: ["OUT"], write: ["OUT"] },
  compare: { read: ["OUT"], write: [] },
  score: { read: ["MODEL", "DATA", "OUT"], write: ["OUT"] },
  search: { read: ["MODEL", "DATA", "OUT"], write: ["OUT"] },
  eval: { read: ["MODEL", "DATA", "OUT"], write: [] },
  prune: { read: ["MODEL", "OUT", "COPY"], write: ["COPY"] },
  plan: { read: ["MODEL", "DATA"], write: [] },
  info: { read: ["MODEL", "DATA"], write: [] },
  tasks: { read: ["MODEL", "DATA"], write: [] },
  status: { read: ["OUT"], write: [] },
  merge: { read: ["OUT"], write: ["OUT"] },
  submit: { read: [], write: [] },
  doctor: { read: [], write: [] },
  completion: { read: [], write: [] },
};

/** What a command asks for besides, and goes on without. */
const WISHES: Readonly<Record<string, readonly string[]>> = {
  doctor: [
    "env null",
    "env VK_DRIVER_FILES",
    "env VK_ICD_FILENAMES",
    "sys homedir",
    ...["/usr/share", "/etc", "/usr/local/share"].map((folder) => `read ${folder}/vulkan/icd.d`),
  ],
};

const document = await readFile(projectPath("docs/permissions.md"), "utf8");
const lines = document.split("\n").filter((line) => line.startsWith("    deno run ")).map((line) => line.trim());

/** The command of a line. */
function commandOf(line: string): string {
  return /main\.ts (\w+)/.exec(line)![1];
}

/** Runs a line of the document. */
async function runLine(line: string, places: Places, audit: string) {
  const words = line.replaceAll(/\b(MODEL|DATA|OUT|COPY)\b/g, (name) => places[name as keyof Places]).split(" ");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: words.slice(1),
    cwd: projectPath("."),
    env: { ...webgpuEnvironment(), DENO_AUDIT_PERMISSIONS: audit },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = await readFile(audit, "utf8");
  const accesses: Access[] = text.split("\n").filter((entry) => entry !== "").map((entry) => JSON.parse(entry));
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), accesses };
}

/** Whether a path is in one of the folders, or is one of them. */
function isInside(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => resolve(path) === folder || resolve(path).startsWith(`${folder}/`));
}

/** Whether a path is a folder above a place, which is looked at to find links in the place's path. */
function isAbove(path: string, places: Places): boolean {
  return Object.values(places).some((place) => place.startsWith(path === "/" ? "/" : `${path}/`));
}

Deno.test("every command of docs/permissions.md works with its grants and asks for nothing else", async () => {
  assertEquals([...new Set(lines.map(commandOf))], Object.keys(GRANTS));
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const places: Places = {
      MODEL: await makeSnapshot(project.model, folder),
      DATA: project.data,
      OUT: join(folder, "results"),
      COPY: join(folder, "copies"),
    };
    await mkdir(places.OUT);
    await mkdir(places.COPY);
    const inputs =
      async () => [await folderState(join(folder, "models--a--b", "blobs")), await folderState(project.data)];
    const before = await inputs();
    for (const line of lines) {
      const command = commandOf(line);
      const { code, stdout, stderr, accesses } = await runLine(line, places, join(folder, `${command}.jsonl`));
      assertEquals({ command, code, stderr }, { command, code: 0, stderr: "" });
      assert(stdout.length > 0);
      const { read, write } = GRANTS[command];
      const readable = read.map((name) => places[name]);
      const writable = write.map((name) => places[name]);
      const stray = accesses.filter(({ permission, value }) => {
        if (WISHES[command]?.includes(`${permission} ${value}`)) return false;
        if (permission === "read") return !isInside(value, readable) && !isAbove(value, places);
        if (permission === "write") return !isInside(value, writable);
        if (permission === "env") return !VARIABLES.has(value);
        return permission !== "sys" || value !== "statfs" && value !== "systemMemoryInfo";
      });
      assertEquals({ command, stray }, { command, stray: [] });
      assert(accesses.length > 0, "nothing was recorded");
    }
    assertEquals(await inputs(), before);
  });
});

Deno.test("secateur run names the missing grant when its results may not be written", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const places = { MODEL: project.model, DATA: project.data, OUT: join(folder, "results"), COPY: folder };
    await mkdir(places.OUT);
    const line = lines[0].replace(/--allow-write=\S+ /, "");
    const { code, stderr } = await runLine(line, places, join(folder, "audit.jsonl"));
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: Requires write access to .*\nHint: docs\/permissions\.md/);
    assertEquals(await folderState(places.OUT), {});
  });
});
