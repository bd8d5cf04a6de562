/** The browser helper itself: what it notices must be noticed. */
import { assert, assertEquals } from "@std/assert";
import { accessibilityViolations, withPage } from "../support/browser.ts";

Deno.test("withPage() reports exceptions, console errors and failed requests when a page has them", async () => {
  await withPage({}, async ({ page, problems, requests }) => {
    await page.setContent(`<!doctype html><title>t</title><img src="http://127.0.0.1:9/picture.png" alt="">
      <script>console.error("said"); addEventListener("load", () => { throw new Error("thrown"); })</script>`);
    const kinds = problems.map((problem) => problem.split(":")[0]);
    assert(problems.includes("error: said"), problems.join("\n"));
    assert(problems.includes("exception: thrown"), problems.join("\n"));
    assert(kinds.includes("no answer"), problems.join("\n"));
    assertEquals(requests, ["http://127.0.0.1:9/picture.png"]);
  });
});

Deno.test("accessibilityViolations() names the rule and the element when a page has a serious violation", async () => {
  await withPage({ colorScheme: "dark" }, async ({ page }) => {
    await page.setContent(`<!doctype html><html lang="en"><title>t</title><main><h1>Title</h1>
      <button id="mute"></button><p style="color:#888;background:#999" id="faint">faint</p></main>`);
    const found = await accessibilityViolations(page);
    assert(found.some((line) => /^button-name .*#mute$/.test(line)), found.join("\n"));
    assert(found.some((line) => /^color-contrast .*#faint$/.test(line)), found.join("\n"));
    assert(await page.evaluate(`matchMedia("(prefers-color-scheme: dark)").matches`));
  });
});
