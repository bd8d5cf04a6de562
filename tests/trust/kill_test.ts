/** Kills at random moments, a few of them; `deno task soak` does many more. */
import { assertEquals } from "@std/assert";
import { withFolder } from "../support/temporary_folder.ts";
import { killRuns } from "./kills.ts";
import { tinyRun, writeTinyProject } from "./tiny_project.ts";

Deno.test("secateur run leaves whole files and resumes to the same bytes when it is killed at any moment", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const { killed, resumed } = await killRuns({
      folder,
      run: (out) => [...tinyRun(project, out), "--engine", "reference"],
      kills: 5,
      seed: 1,
    });
    assertEquals(resumed, 5);
    if (killed === 0) throw new Error("every process ended before it was killed");
  });
});
