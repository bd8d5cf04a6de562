/**
 * Disks that are really full: a small file system in memory where it may be mounted, which root and most users' namespaces may;
 * elsewhere a limit on the size of files, which needs no rights. Nothing is skipped.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectPath, secateur } from "../cli/program.ts";
import { denoInShell, type Outcome } from "../support/outcome.ts";
import { posting, tinyRequest, writeTinyModel } from "../support/service.ts";
import { ServiceProcess } from "../support/service_process.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState, repeatable, withoutKeptAnswers } from "./folder_state.ts";
import { tinyRun, writeTinyProject } from "./tiny_project.ts";

const kib = 1024;

/** A folder on a disk of its own. */
interface SmallDisk {
  readonly folder: string;
  /** Runs the program with so many KiB free; afterwards all of the disk is free again. */
  run(args: readonly string[], freeKib: number): Promise<Outcome>;
  /** Leaves so many KiB free for a process that runs; null makes room again. */
  fill(freeKib: number | null, pid: number): Promise<void>;
  /** KiB that are too few for anything, for the copy of a checkpoint, and for the report behind it. */
  readonly tooFew: readonly [number, number, number];
}

async function succeeds(program: string, ...args: readonly string[]): Promise<boolean> {
  return await new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);
}

/** Fills a mounted disk with one file, page by page, until no more goes in. */
async function occupy(path: string, sizeKib: number, freeKib: number): Promise<void> {
  await rm(path, { force: true });
  const used = Number(
    new TextDecoder().decode(
      (await new Deno.Command("df", { args: ["-k", "--output=used", join(path, "..")] }).output()).stdout,
    ).trim().split("\n").at(-1),
  );
  await writeFile(path, new Uint8Array(Math.max(0, sizeKib - used - freeKib) * kib));
}

/** Gives `use` a disk of 512 KiB. */
async function withSmallDisk(use: (disk: SmallDisk) => Promise<void>): Promise<void> {
  await withFolder({}, async (root) => {
    const sizeKib = 512;
    const folder = join(root, "disk");
    await mkdir(folder);
    const isMounted = Deno.build.os === "linux" &&
      await succeeds("mount", "-t", "tmpfs", "-o", `size=${sizeKib}k`, "tmpfs", folder);
    const filler = join(folder, "filler");
    try {
      await use({
        folder,
        // A disk is filled by all files together, a limit passed by one.
        tooFew: isMounted ? [0, 60, 104] : [0, 20, 55],
        async fill(freeKib, pid) {
          if (!isMounted) {
            const limit = freeKib === null ? "unlimited" : freeKib * kib;
            assert(await succeeds("prlimit", "--pid", `${pid}`, `--fsize=${limit}:`));
          } else if (freeKib === null) await rm(filler, { force: true });
          else await occupy(filler, sizeKib, freeKib);
        },
        async run(args, freeKib) {
          if (isMounted) {
            await occupy(filler, sizeKib, freeKib);
            try {
              return await secateur(args);
            } finally {
              await rm(filler);
            }
          }
          // No file may become longer than what would be free.
          return await denoInShell(`trap '' XFSZ; ulimit -f ${freeKib}`, [projectPath("src/cli/main.ts"), ...args]);
        },
      });
    } finally {
      if (isMounted) assert(await succeeds("umount", "-l", folder), `${folder} is still mounted`);
    }
  });
}

/** What a full disk must make the program say: what could not be written, and what to do. */
function assertFull({ code, stderr }: Outcome, folder: string): void {
  assertEquals(code, 1, stderr);
  assertMatch(
    stderr,
    /^Error: Cannot write .*: (?:its disk has \d+ bytes free|.*\(os error \d+\))\nHint: free some space/,
  );
  assert(stderr.includes(folder), stderr);
}

if (Deno.build.os !== "windows") {
  Deno.test("secateur run on a full disk says what it could not write, keeps what is whole, and resumes to the same bytes", async () => {
    await withFolder({}, async (root) => {
      const project = await writeTinyProject(root);
      const run = (out: string) => [...tinyRun(project, out), "--engine", "reference"];
      const alone = join(root, "alone");
      assertEquals((await secateur(run(alone))).code, 0);
      const whole = repeatable(await folderState(alone));
      await withSmallDisk(async (disk) => {
        // Full from the start; after the search, where the copy does not fit; after the copy, where the report does not.
        for (const freeKib of disk.tooFew) {
          const out = join(disk.folder, "run");
          assertFull(await disk.run(run(out), freeKib), out);
          const left = withoutKeptAnswers(await folderState(out));
          for (const name of Object.keys(left)) assertEquals(left[name], whole[name], `${freeKib} KiB: ${name}`);
          assertEquals((await readdir(out)).filter((name) => name.startsWith(".")), []);
          if (freeKib > 0) assert(left["plan.json"] !== undefined, `${Object.keys(left)}`);
          assertEquals((await secateur([...run(out), "--resume"])).code, 0);
          assertEquals(repeatable(await folderState(out)), whole);
          await rm(out, { recursive: true });
        }
      });
    });
  });

  Deno.test("secateur prune, score, report and shards on a full disk keep the files that were there", async () => {
    await withFolder({}, async (root) => {
      const project = await writeTinyProject(root);
      const work = ["--model", project.model, "--task", project.task, "--engine", "reference"];
      const score = [...work, "--adaptation-examples", "2", "--nodes", "2"];
      await withSmallDisk(async (disk) => {
        const out = join(disk.folder, "run");
        assertEquals((await secateur([...tinyRun(project, out), "--engine", "reference"])).code, 0);
        const before = await folderState(disk.folder);
        const copy = join(disk.folder, "copy");
        const plan = join(out, "plan.json");
        for (
          const args of [
            ["prune", "--model", project.model, "--plan", plan, "--out", copy],
            ["score", ...score, "--out", join(disk.folder, "scores")],
            ["score", ...score, "--out", join(disk.folder, "parts"), "--shard", "1/2"],
            ["report", out],
          ]
        ) {
          assertFull(await disk.run(args, 0), disk.folder);
          assertEquals(await folderState(disk.folder), before, args[0]);
        }
        const names = await readdir(disk.folder, { recursive: true });
        assertEquals(names.filter((name) => name.endsWith(".partial")), []);
        // There is room again.
        assertEquals((await secateur(["prune", "--model", project.model, "--plan", plan, "--out", copy])).code, 0);
        const [written, pruned] = [await readFile(join(copy, "model.safetensors")), join(out, "pruned")];
        assertEquals(written, await readFile(join(pruned, "model.safetensors")));
        for (const shard of ["1/2", "2/2"]) {
          assertEquals(
            (await secateur(["score", ...score, "--out", join(disk.folder, "parts"), "--shard", shard])).code,
            0,
          );
        }
        assertEquals((await secateur(["merge", join(disk.folder, "parts")])).code, 0);
      });
    });
  });

  Deno.test("the service refuses jobs while its disk is full, fails the one that fills it, and goes on when there is room", async () => {
    await withFolder({}, async (root) => {
      await withSmallDisk(async (disk) => {
        await writeTinyModel(join(root, "models"));
        const [models, jobs] = [join(root, "models"), join(disk.folder, "jobs")];
        const service = await ServiceProcess.start(root, {}, ["--models", models, "--jobs", jobs]);
        try {
          const done = await service.submit(tinyRequest());
          assertEquals((await service.wait(done.id)).state, "done");
          const before = await folderState(join(jobs, done.id));
          await disk.fill(0, service.child.pid);
          const refused = await fetch(`${service.url}/v1/jobs`, posting(tinyRequest()));
          assertEquals([refused.status, (await refused.json()).detail], [
            507,
            "Cannot take another job: the disk of the jobs is full",
          ]);
          assertEquals((await readdir(jobs)).filter((name) => name !== ".lock"), [done.id]);
          // Enough for the request, not for the report.
          await disk.fill(40, service.child.pid);
          const failed = await service.wait((await service.submit(tinyRequest())).id);
          assertEquals(failed.state, "failed");
          assertMatch(failed.error!, /^Cannot write .*\(os error (?:27|28)\)/);
          assertEquals(await folderState(join(jobs, done.id)), before);
          await disk.fill(null, service.child.pid);
          assertEquals((await service.wait((await service.submit(tinyRequest())).id)).state, "done");
        } finally {
          await service.kill();
        }
      });
    });
  });
}
