/** `secateur serve` as a process: what it says when it cannot start. */
import { assertEquals, assertMatch } from "@std/assert";
import { ServiceProcess } from "../support/service_process.ts";
import { secateur, withFolder } from "./program.ts";

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

Deno.test("secateur serve exits with 1 and names the variable when a setting is out of range", async () => {
  await withFolder(async (folder) => {
    for (const [name, value] of [["SECATEUR_QUEUE", "many"], ["SECATEUR_TOKEN", "short"]]) {
      const { code, stderr } = await secateur(["serve", "--jobs", folder, "--port", "0"], { [name]: value });
      assertEquals(code, 1);
      assertMatch(stderr, new RegExp(`^Error: Cannot serve with .*${name}.*: expected .*\n$`));
    }
  });
});
