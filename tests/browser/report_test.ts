/**
 * The report in a browser: silent, exact under pointer and keyboard, accessible, legible in every size and colour
 * scheme.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { decimal } from "../../src/report/numbers.ts";
import { renderComparison } from "../../src/report/comparison_page.ts";
import { renderRunReport } from "../../src/report/run_report.ts";
import { renderStudyReport } from "../../src/report/study_report.ts";
import { runStudy } from "../../src/method/study/study.ts";
import { accessibilityViolations, type PageOptions, type TestPage, withPage } from "../support/browser.ts";
import { sampleRunResults } from "../support/run_results.ts";
import { studyToyInput } from "../support/study_toy.ts";
import { withFolder } from "../support/temporary_folder.ts";

const results = sampleRunResults({ seed: 5 });

/** Opens a page from disk. */
function withFile(html: string, options: PageOptions, use: (page: TestPage) => Promise<void>): Promise<void> {
  return withFolder({ "page.html": html }, (folder) =>
    withPage(options, async (opened) => {
      await opened.page.goto(pathToFileURL(join(folder, "page.html")).href);
      await use(opened);
    }));
}

const phone = { viewport: { width: 360, height: 780 }, isMobile: true };

Deno.test("report.html asks for nothing, says nothing on the console and has no violation in light and on a dark phone", async () => {
  const page = renderRunReport(results);
  for (const options of [{}, { ...phone, colorScheme: "dark" }] as const) {
    await withFile(page, options, async ({ page, problems, requests }) => {
      // With every table open, so that they are looked at too.
      await page.evaluate(`for (const one of document.querySelectorAll("details")) one.open = true`);
      assertEquals(await accessibilityViolations(page, "all"), []);
      assertEquals(problems, []);
      assertEquals(requests, [page.url()]);
      const [content, window] = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]") as number[];
      assert(content <= window, `${content} pixels wide in a window of ${window}`);
    });
  }
});

Deno.test("report.html shows accuracy and margin of the grid when a cell is pointed at or focused", async () => {
  await withFile(renderRunReport(results), {}, async ({ page, problems }) => {
    const map = page.locator("figure", { hasText: "Every layer and fraction" });
    const tip = page.locator("#tip");
    const grid = results.searched.configurations.filter(({ layer }) => layer !== null);
    for (const index of [0, 7, grid.length - 1]) {
      const { layer, accuracy, meanMargin } = grid[index];
      await map.locator(".tip").nth(index).hover();
      const text = (await tip.textContent())!;
      assertStringIncludes(text, `layer ${layer}, `);
      assertStringIncludes(
        text,
        `accuracy ${decimal(100 * accuracy, 1)}\u00a0%, mean margin ${decimal(meanMargin, 3)}`,
      );
      assert(await tip.isVisible());
    }
    await page.mouse.move(1, 1);
    assert(await tip.isHidden());

    // The focus enters at the chosen cell, and arrows go to its neighbours.
    const { chosen, configurations } = results.searched;
    const cells = map.locator(".tip");
    await map.locator('.tip[tabindex="0"]').focus();
    assertStringIncludes((await tip.textContent())!, "; chosen");
    const place = configurations[chosen];
    const neighbour = (layers: number, steps: number) =>
      grid.findIndex(({ layer, fraction }) =>
        layer === place.layer! + layers && Math.abs(fraction - place.fraction - 0.05 * steps) < 1e-9
      );
    const right = neighbour(0, 1), left = neighbour(0, -1);
    const [key, target] = right >= 0 ? ["ArrowRight", right] : ["ArrowLeft", left];
    await page.keyboard.press(key as string);
    assertEquals(await tip.textContent(), await cells.nth(target as number).getAttribute("aria-label"));
    await page.keyboard.press("End");
    assertEquals(await tip.textContent(), await cells.last().getAttribute("aria-label"));
    await page.keyboard.press("ArrowUp");
    assertEquals(await tip.textContent(), await cells.nth(grid.length - 11).getAttribute("aria-label"));
    await page.keyboard.press("Escape");
    assert(await tip.isHidden());
    assertEquals(problems, []);
  });
});

Deno.test("report.html lets the keyboard reach every chart, table, link and mark", async () => {
  await withFile(renderRunReport(results), {}, async ({ page }) => {
    const wanted = await page.evaluate(`
      [...document.querySelectorAll("a[href], summary, svg.chart")].filter((one) => one.checkVisibility()).length`) as number;
    const reached = new Set<number>();
    await page.evaluate(`
      globalThis.stops = [...document.querySelectorAll("a[href], summary, svg.chart")].filter((one) => one.checkVisibility())`);
    for (let presses = 0; presses < 200 && reached.size < wanted; presses++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(
        "stops.findIndex((one) => one === document.activeElement || one.matches('svg') && one.contains(document.activeElement))",
      ) as number;
      if (stop >= 0) reached.add(stop);
    }
    assertEquals(reached.size, wanted);
    // Within a chart, arrows reach every mark.
    const unreached = await page.evaluate(`
      [...document.querySelectorAll("svg.chart")].flatMap((svg) => {
        const marks = [...svg.querySelectorAll(".tip")];
        if (marks.length === 0 || !svg.checkVisibility()) return [];
        marks[0].focus();
        for (let press = 0; press < marks.length; press++) {
          document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
        }
        const seen = new Set([document.activeElement]);
        for (let changed = true; changed;) {
          changed = false;
          for (const mark of [...seen]) for (const key of ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"]) {
            mark.focus();
            mark.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            if (!seen.has(document.activeElement)) { seen.add(document.activeElement); changed = true; }
          }
        }
        return marks.filter((mark) => !seen.has(mark)).map((mark) => mark.getAttribute("aria-label"));
      })`);
    assertEquals(unreached, []);
  });
});

Deno.test("report.html opens its tables for printing, and works without scripts", async () => {
  const html = renderRunReport(results);
  await withFile(html, {}, async ({ page }) => {
    const open = () => page.locator("details[open]").count();
    assertEquals(await open(), 0);
    await page.evaluate(`dispatchEvent(new Event("beforeprint"))`);
    assertEquals(await open(), await page.locator("details").count());
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    // Paper is white, whatever the screen is.
    const shown = await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--card').trim()");
    assertEquals(shown, "#ffffff");
    await page.evaluate(`dispatchEvent(new Event("afterprint"))`);
    assertEquals(await open(), 0);
  });
  await withFile(html, { javaScriptEnabled: false }, async ({ page, problems }) => {
    const figure = page.locator("figure", { hasText: "Every layer and fraction" });
    await figure.locator("summary").click();
    assert(await figure.locator("table").isVisible());
    assertEquals(problems, []);
  });
});

Deno.test("report.html runs no script but its own when one has slipped in", async () => {
  const page = renderRunReport(results).replace(
    "</main>",
    `<script>globalThis.intruder = 1</script><img src="data:," alt="" onload="globalThis.intruder = 2"></main>`,
  );
  await withFile(page, {}, async ({ page, problems }) => {
    assertEquals(await page.evaluate("globalThis.intruder ?? null"), null);
    assert(problems.some((problem) => /Content Security Policy/.test(problem)), problems.join("\n"));
    // Its own script still works.
    await page.locator(".tip").first().hover();
    assert(await page.locator("#tip").isVisible());
  });
});

Deno.test("the pages of a comparison and of a study are silent and have no violation", async () => {
  const other = sampleRunResults({ seed: 6, adapter: "another adapter" });
  const comparison = renderComparison({ name: "out/a", results }, { name: "out/b", results: other });
  const study = renderStudyReport(await runStudy(studyToyInput()), "secateur study");
  for (const [html, options] of [[comparison, { ...phone, colorScheme: "dark" }], [study, phone]] as const) {
    await withFile(html, options, async ({ page, problems }) => {
      await page.evaluate(`for (const one of document.querySelectorAll("details")) one.open = true`);
      assertEquals(await accessibilityViolations(page, "all"), []);
      assertEquals(problems, []);
      const [content, window] = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]") as number[];
      assert(content <= window, `${content} pixels wide in a window of ${window}`);
    });
  }
});
