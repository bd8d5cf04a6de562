/** `secateur serve` as a process: what it says when it cannot start, and how it ends. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { outcomeOf } from "../support/outcome.ts";
import { longRequest, writeTinyModel } from "../support/service.ts";
import { ServiceProcess } from "../support/service_process.ts";
import { projectPath, secateur, withFolder } from "./program.ts";

Deno.test("secateur serve exits with 1 and says why when the folder or the port is in use", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/models`);
    const service = await ServiceProcess.start(folder);
    try {
      const { port } = new URL(service.url);
      const same = await secateur(["serve", "--jobs", `${folder}/jobs`, "--port", "0"]);
      assertEquals(same.code, 1);
      assertMatch(same.stderr, /^Error: Cannot serve jobs in .*: another service is using it\nHint: .*--jobs\.\n$/);
      const other = await secateur(["serve", "--jobs", `${folder}/other`, "--port", port]);
      assertEquals(other.code, 1);
      assertMatch(other.stderr, new RegExp(`^Error: port ${port} of 127.0.0.1 is in use\nHint: .*--port\\.\n$`));
    } finally {
      await service.stop();
    }
  });
});

Deno.test("the service exits with 2 and names the variable when a setting is out of range", async () => {
  await withFolder(async (folder) => {
    const underDeno = (env: Record<string, string>) =>
      outcomeOf(
        new Deno.Command(Deno.execPath(), {
          args: ["serve", "--quiet", "--allow-all", "--port", "0", projectPath("src/serve/main.ts")],
          env: { SECATEUR_JOBS: folder, ...env },
          stdin: "null",
          stdout: "piped",
          stderr: "piped",
        }),
      );
    for (const [name, value] of [["SECATEUR_QUEUE", "many"], ["SECATEUR_TOKEN", "short"]]) {
      const env = { [name]: value };
      for (const start of [underDeno, (env: Record<string, string>) => secateur(["serve", "--jobs", folder], env)]) {
        const { code, stderr } = await start(env);
        assertMatch(stderr, new RegExp(`^Error: Cannot serve with .*${name}.*: expected .*\n$`));
        assertEquals(code, 2);
      }
    }
    // What a path leads to may be put right without another command line.
    const missing = await underDeno({ SECATEUR_MODELS: join(folder, "none") });
    assertEquals([missing.code, missing.stderr.startsWith("Error: Cannot list the models in")], [1, true]);
  });
});

Deno.test("secateur serve lets a job go on later and exits with 0 after SIGTERM, and with 130 after Ctrl-C", async () => {
  await withFolder(async (folder) => {
    await writeTinyModel(join(folder, "models"));
    const endings = [["SIGTERM", 0], ["SIGINT", 130]] as const;
    for (const [attempt, [signal, code]] of endings.entries()) {
      const service = await ServiceProcess.start(folder);
      // The second service goes on with the first one's job.
      const id = attempt === 0 ? (await service.submit(longRequest())).id : (await service.json("/v1/jobs")).jobs[0].id;
      await service.wait(id, "running");
      assertEquals(await service.stop(signal), code);
      const { state } = JSON.parse(await Deno.readTextFile(join(folder, "jobs", id, "state.json")));
      assertEquals(state, "queued");
    }
  });
});
