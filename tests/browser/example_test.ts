/** The example page: the demo model scored by Chromium gives what Deno and the reference engine give. */
import { assert, assertEquals } from "@std/assert";
import { createHandler } from "../../examples/browser/serve.ts";
import { type DemoScores, scoreDemo } from "../../examples/browser/score_demo.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { accessibilityViolations, withPage } from "../support/browser.ts";
import { meanSquareError } from "../support/relative_error.ts";
import { projectPath } from "../cli/program.ts";

const openDemo = (path: string) => openFileSource(projectPath(`examples/demo/${path}`));

Deno.test("the example page gives the scores of Deno when Chromium computes", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, await createHandler());
  try {
    const inBrowser = await withPage({ webgpu: true }, async ({ page, problems }) => {
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      await page.getByRole("button", { name: "Score" }).click();
      await page.waitForFunction("globalThis.result || /^Error/.test(document.querySelector('#status').textContent)")
        .catch((error) => {
          throw new Error(`${error.message}\n${problems.join("\n")}`);
        });
      const status = await page.locator("#status").textContent();
      assert(!status!.startsWith("Error"), `${status}\n${problems.join("\n")}`);
      assertEquals(problems, []);
      assertEquals(await page.locator("tbody tr").count(), 10);
      assertEquals(await accessibilityViolations(page), []);
      return await page.evaluate("globalThis.result") as DemoScores;
    });
    const inDeno = await scoreDemo(openDemo, { engine: "webgpu" });
    assertEquals(inBrowser.shape, inDeno.shape);
    assertEquals(inBrowser.accuracy, inDeno.accuracy);
    const error = meanSquareError(inBrowser.scores, inDeno.scores);
    assert(error <= 1e-6, `NMSE ${error}`);
  } finally {
    await server.shutdown();
  }
});
