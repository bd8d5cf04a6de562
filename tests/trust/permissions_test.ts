/** The command lines of `docs/permissions.md`, run as they stand there, with every access recorded. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { webgpuEnvironment } from "../../src/cli/webgpu_environment.ts";
import { commands } from "../../src/cli/commands.ts";
import { variables } from "../../src/serve/settings.ts";
import { projectPath } from "../cli/program.ts";
import { outcomeOf } from "../support/outcome.ts";
import { posting } from "../support/service.ts";
import { waitToBeTold } from "../support/service_process.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState } from "./folder_state.ts";
import { makeSnapshot, writeTinyProject } from "./tiny_project.ts";

/** The folders that the lines name. */
interface Places {
  readonly MODEL: string;
  readonly DATA: string;
  readonly OUT: string;
  readonly COPY: string;
  readonly DEMO: string;
  readonly CODE: string;
}

/** One access that Deno was asked for. */
interface Access {
  readonly permission: string;
  readonly value: string;
}

/** The variables that a command may ask for: those that the document names. */
const VARIABLES = new Set([
  ...["DENO_WEBGPU_BACKEND", "XDG_RUNTIME_DIR", "SECATEUR_TRACE", "LOG_TOKENS", "LOG_STREAM"],
  ...Object.values(variables).map(({ name }) => name),
]);

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
  demo: { read: ["DEMO", "OUT"], write: ["OUT"] },
  study: { read: ["MODEL", "DATA", "OUT"], write: ["OUT"] },
  serve: { read: ["CODE", "OUT"], write: ["OUT"] },
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
  const words = line.replaceAll(
    /(?<![\w_])(MODEL|DATA|OUT|COPY|DEMO|CODE)(?!\w)/g,
    (name) => places[name as keyof Places],
  ).split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args: words.slice(1),
    cwd: projectPath("."),
    env: { ...webgpuEnvironment(), DENO_AUDIT_PERMISSIONS: audit },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (commandOf(line) === "serve") return { ...await useService(child), accesses: await readAudit(audit) };
  return { ...await outcomeOf(child), accesses: await readAudit(audit) };
}

/** Every access that was recorded. */
async function readAudit(audit: string): Promise<Access[]> {
  const text = await readFile(audit, "utf8");
  return text.split("\n").filter((entry) => entry !== "").map((entry) => JSON.parse(entry));
}

/** Has a service do a job and show its page, and ends it. It tells its address on stderr, which is no error. */
async function useService(child: Deno.ChildProcess) {
  const url = await waitToBeTold(child.stderr, /serves (http:\S+)\/ with/);
  try {
    assertEquals((await (await fetch(url)).text()).slice(0, 9).toLowerCase(), "<!doctype");
    const { model, ...request } = await (await fetch(`${url}/v1/example`)).json();
    const small = { adaptation: { count: 3 }, test: { limit: 4 }, score: { nodes: 2 }, randomDraws: 1 };
    const answer = await fetch(`${url}/v1/jobs`, posting({ ...request, model, ...small }));
    const { id } = await answer.json();
    assertEquals(answer.status, 202);
    for (let state = ""; state !== "done";) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const view = await (await fetch(`${url}/v1/jobs/${id}`)).json();
      assertEquals(view.error, null);
      state = view.state;
    }
  } finally {
    child.kill("SIGTERM");
  }
  const { code } = await child.status;
  await child.stdout.cancel();
  return { code, stdout: url, stderr: "" };
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
  // A command of the program without a line here is a command whose needs nobody knows.
  assertEquals(Object.keys(GRANTS).sort(), commands.map(({ name }) => name).sort());
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const places: Places = {
      MODEL: await makeSnapshot(project.model, folder),
      DATA: project.data,
      OUT: join(folder, "results"),
      COPY: join(folder, "copies"),
      DEMO: projectPath("examples/demo"),
      CODE: projectPath(".").replace(/\/$/, ""),
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
        if (permission === "net") return command !== "serve" || !/^127\.0\.0\.1(?::\d+)?$/.test(value);
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
    const places = {
      MODEL: project.model,
      DATA: project.data,
      OUT: join(folder, "results"),
      COPY: folder,
      DEMO: folder,
      CODE: folder,
    };
    await mkdir(places.OUT);
    const line = lines[0].replace(/--allow-write=\S+ /, "");
    const { code, stderr } = await runLine(line, places, join(folder, "audit.jsonl"));
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: Requires write access to .*\nHint: docs\/permissions\.md/);
    assertEquals(await folderState(places.OUT), {});
  });
});
