/** The two Workers of a job: what comes of it when one of them breaks down, hangs, or does not listen. */
import { assertEquals, assertMatch } from "@std/assert";
import { JobRunner } from "../../src/serve/job_runner.ts";
import type { JobEnd } from "../../src/serve/protocol.ts";

const modules = {
  rows: new URL("../support/stub_rows_worker.ts", import.meta.url),
  engine: new URL("../support/stub_engine_worker.ts", import.meta.url),
};
const engine = { engine: "reference", memoryBudgetBytes: null, weightBudgetBytes: null } as const;

/** Lets `use` run jobs, which are named by what the stubs do, and closes the runner. */
async function withRunner(
  use: (start: (name: string, onStuck?: () => void) => ReturnType<JobRunner["run"]>) => Promise<void>,
  stopSeconds = 60,
): Promise<void> {
  const runner = new JobRunner(stopSeconds, modules);
  try {
    await use((name, onStuck = () => {}) =>
      runner.run({ folder: `/jobs/${name}`, modelFolder: "/models/m", version: "0", engine }, {
        onProgress: () => {},
        onStuck,
      })
    );
  } finally {
    await runner.close();
  }
}

const outcomes = (ends: readonly JobEnd[]) => ends.map(({ outcome }) => outcome);

Deno.test("a job fails with the reason when one of its Workers breaks down, and the next one runs", async () => {
  await withRunner(async (start) => {
    const ends = [];
    for (const name of ["plain", "rows-throw", "plain", "throw", "plain", "throw-later", "plain"]) {
      ends.push(await start(name).ended);
      // What comes after a job comes before the next one.
      await new Promise((resolve) => setTimeout(resolve, name === "throw-later" ? 100 : 0));
    }
    assertEquals(outcomes(ends), ["done", "failed", "done", "failed", "done", "done", "done"]);
    assertMatch(ends[1].error!, /^The job broke off: .*cannot go on in rows$/);
    assertMatch(ends[3].error!, /^The job broke off: .*out of luck/);
  });
});

Deno.test("a job stops at once while its rows are made, and as soon as the engine can afterwards", async () => {
  await withRunner(async (start) => {
    for (const [name, pause] of [["rows-hang", 0], ["rows-hang", 300], ["long", 0], ["long", 300]] as const) {
      const job = start(name);
      await new Promise((resolve) => setTimeout(resolve, pause));
      job.stop();
      assertEquals((await job.ended).outcome, "stopped");
    }
    assertEquals((await start("plain").ended).outcome, "done");
  });
});

Deno.test("a job that does not stop in time counts as stuck, and the next one runs when it has", async () => {
  await withRunner(async (start) => {
    let stuck = 0;
    const job = start("deaf", () => stuck++);
    await new Promise((resolve) => setTimeout(resolve, 300));
    job.stop();
    assertEquals([(await job.ended).outcome, stuck], ["stopped", 1]);
    assertEquals((await start("plain").ended).outcome, "done");
  }, 0.001);
});
