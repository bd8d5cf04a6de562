/** Faults of files: folders in use, full disks, folders that cannot be written, inputs that vanish. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { CommandError } from "../../src/cli/errors.ts";
import { lockName, withFolderLock } from "../../src/cli/folder_lock.ts";
import { createFolder } from "../../src/checkpoint/atomic_file.ts";
import { removeFolderAtomic } from "../../src/checkpoint/atomic_folder.ts";
import { begunEngineName, keptAnswersName } from "../../src/method/earlier_run.ts";
import { command, projectPath, secateur } from "../cli/program.ts";
import { denoInShell } from "../support/outcome.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState, repeatable } from "./folder_state.ts";
import { type TinyProject, tinyRun, writeTinyProject } from "./tiny_project.ts";

/** A run on the reference engine, whose caches nothing here disturbs. */
function run(project: TinyProject, out: string): string[] {
  return [...tinyRun(project, out), "--engine", "reference"];
}

const main = projectPath("src/cli/main.ts");

Deno.test("withFolderLock() lets one process in, and the next one when that has ended or was killed", async () => {
  await withFolder({}, async (folder) => {
    const out = join(folder, "results");
    const source = `
      import { withFolderLock } from ${JSON.stringify(new URL("../../src/cli/folder_lock.ts", import.meta.url).href)};
      await withFolderLock(${JSON.stringify(out)}, async () => {
        console.log("locked");
        await new Promise((wake) => setTimeout(wake, 600_000));
      });`;
    const child = new Deno.Command(Deno.execPath(), { args: ["eval", source], stdout: "piped" }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await assertRejects(() => withFolderLock(out, () => Promise.resolve()), CommandError, "in use by another process");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(await readdir(out), [lockName]);
    assertEquals(await withFolderLock(out, () => readdir(out)), [lockName]);
    assertEquals(await readdir(out), []);
    await assertRejects(() => withFolderLock(out, () => Promise.reject(new Error("broken"))), Error, "broken");
    assertEquals(await readdir(out), []);
  });
});

Deno.test("secateur run, score and search refuse a folder in which another process works", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const out = join(folder, "results");
    const { model, task } = project;
    const step = ["--model", model, "--task", task, "--engine", "reference", "--adaptation-examples", "1"];
    assertEquals((await secateur(["score", ...step, "--nodes", "1", "--out", join(folder, "scores")])).code, 0);
    const scores = join(folder, "scores", "scores.safetensors");
    await withFolderLock(out, async () => {
      for (
        const args of [
          run(project, out),
          [...run(project, out), "--overwrite"],
          ["score", ...step, "--out", out],
          ["search", ...step, "--scores", scores, "--out", out],
        ]
      ) {
        const { code, stderr } = await secateur(args);
        assertEquals(code, 1);
        assertMatch(stderr, /^Error: .*results is in use by another process\nHint: wait until it ends/);
      }
      assertEquals(await readdir(out), [lockName]);
    });
  });
});

Deno.test("secateur run started twice at once in one folder gives one whole run", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const [out, alone] = [join(folder, "results"), join(folder, "alone")];
    const both = [1, 2].map(() => command(run(project, out)).output());
    const codes = (await Promise.all(both)).map(({ code }) => code);
    assertEquals(codes.sort(), [0, 1]);
    assertEquals((await secateur(run(project, alone))).code, 0);
    const [shared, single] = [await folderState(out), await folderState(alone)];
    for (const name of ["scores.safetensors", "grid.json", "plan.json", "pruned/model.safetensors"]) {
      assertEquals(shared[name], single[name], name);
    }
  });
});

// Windows has neither file size limits nor permissions of this kind.
if (Deno.build.os !== "windows") {
  Deno.test("secateur run says so, leaves nothing half-written and resumes when a file cannot grow", async () => {
    await withFolder({}, async (folder) => {
      const project = await writeTinyProject(folder);
      const [out, alone] = [join(folder, "results"), join(folder, "alone")];
      await mkdir(out);
      // At most one block a file, and an error instead of the signal that ends a process.
      const full = await denoInShell("trap '' XFSZ; ulimit -f 1", [main, ...run(project, out)]);
      assertEquals(full.code, 1);
      assertMatch(full.stderr, /^Error: Cannot write .*scores\.safetensors: .*\nHint: free some space/);
      assertEquals(await readdir(out), [begunEngineName]);
      assertEquals((await secateur([...run(project, out), "--resume"])).code, 0);
      assertEquals((await secateur(run(project, alone))).code, 0);
      const [resumed, single] = [await folderState(out), await folderState(alone)];
      assertEquals(resumed["scores.safetensors"], single["scores.safetensors"]);
      assertEquals(resumed["pruned/model.safetensors"], single["pruned/model.safetensors"]);
    });
  });

  Deno.test("secateur run fails before it computes when its folder cannot be written", async () => {
    await withFolder({}, async (folder) => {
      const project = await writeTinyProject(folder);
      let out = join(folder, "results");
      await mkdir(out);
      await chmod(out, 0o555);
      // To root every folder is writable, except where the kernel makes the files.
      if (process.getuid?.() === 0) out = Deno.build.os === "linux" ? "/sys/kernel" : "/dev/fd";
      const { code, stderr } = await secateur([...run(project, out), "--overwrite"]);
      assertEquals(code, 1);
      assertMatch(stderr, /^Error: .*\nHint: check the permissions of that path/);
      await chmod(join(folder, "results"), 0o755);
    });
  });
}

Deno.test("secateur names the input that is not there, and leaves no results, when one has vanished", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const out = join(folder, "results");
    for (
      const path of [
        join(project.model, "config.json"),
        join(project.model, "model.safetensors"),
        join(project.model, "tokenizer.json"),
        join(project.data, "train.jsonl"),
        join(project.data, "test.jsonl"),
        project.task,
      ]
    ) {
      await rename(path, `${path}.away`);
      const { code, stderr } = await secateur(run(project, out));
      assertEquals(code, 1);
      assertMatch(stderr, /^Error: .*\n(?:Hint: .*\n)?$/);
      assert(stderr.includes(path) || stderr.includes("model.safetensors"), stderr);
      assertEquals(await folderState(out), {});
      await rename(`${path}.away`, path);
    }
    const broken = join(project.model, "model.safetensors");
    await rm(broken);
    await symlink(join(folder, "nowhere"), broken);
    assertMatch((await secateur(run(project, out))).stderr, /^Error: Cannot open checkpoint .*\nHint: /);
  });
});

Deno.test("createFolder() makes every folder that is missing, and is content with one that is there", async () => {
  await withFolder({}, async (folder) => {
    await createFolder(join(folder, "a", "b", "c"));
    await createFolder(join(folder, "a", "b"));
    assertEquals(await readdir(join(folder, "a", "b")), ["c"]);
    await writeFile(join(folder, "file"), "");
    await assertRejects(() => createFolder(join(folder, "file", "below")));
  });
});

Deno.test("removeFolderAtomic() removes a folder with everything in it, and nothing beside it", async () => {
  await withFolder({ "old/sub/x": "1", "old/y": "2", "z": "3" }, async (folder) => {
    await removeFolderAtomic(join(folder, "old"));
    assertEquals(await readdir(folder), ["z"]);
    await assertRejects(() => removeFolderAtomic(join(folder, "old")));
  });
});

Deno.test("secateur run --overwrite can be resumed when it is killed while it removes the older run", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const out = join(folder, "results");
    assertEquals((await secateur(run(project, out))).code, 0);
    const before = await folderState(out);
    // The states that a kill can leave, in the order in which things go.
    const followers = ["run.json", "report.html", "traces.json", "answers.json", "pruned"];
    for (const name of [...followers, "plan.json", "grid.json", "scores.safetensors"]) {
      await rm(join(out, name), { recursive: true });
      if (name === "pruned" || name === "scores.safetensors") {
        assertEquals((await secateur([...run(project, out), "--resume"])).code, 0);
        const after = await folderState(out);
        assertEquals(repeatable(after), repeatable(before));
        if (name === "pruned") {
          for (const gone of followers) await rm(join(out, gone), { recursive: true });
        }
      }
    }
    // Answers of a run that did not come to its end are replaced too.
    await mkdir(join(out, keptAnswersName));
    await writeFile(join(out, keptAnswersName, "a.safetensors"), "");
    assertEquals((await secateur([...run(project, out), "--overwrite"])).code, 0);
    assertEquals(repeatable(await folderState(out)), repeatable(before));
  });
});
