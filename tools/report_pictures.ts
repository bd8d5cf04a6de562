/**
 * Takes the pictures of reports in `docs/pictures/`: a run wide in light and dark and on a phone, and a study. The
 * arguments are two reports, such as `out/demo/report.html` and `out/study/report.html`.
 */
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { type PageOptions, withPage } from "../tests/support/browser.ts";

const [run, study] = Deno.args;
if (run === undefined || study === undefined) {
  console.error(
    "Error: two reports are needed\nHint: deno run --allow-all tools/report_pictures.ts out/demo/report.html out/study/report.html",
  );
  Deno.exit(2);
}

/** Name, page, how it is opened, and the heading that the picture starts at; the top of the page without one. */
const pictures: readonly (readonly [name: string, report: string, options: PageOptions, heading?: string])[] = [
  ["report-light", run, { viewport: { width: 1120, height: 1180 } }],
  ["report-dark", run, { viewport: { width: 1120, height: 1280 }, colorScheme: "dark" }, "#search"],
  ["report-neurons", run, { viewport: { width: 1120, height: 900 } }, "#traces"],
  ["report-phone", run, { viewport: { width: 390, height: 844 }, isMobile: true }],
  ["report-study", study, { viewport: { width: 1120, height: 1000 } }],
];

for (const [name, report, options, heading] of pictures) {
  await withPage(options, async ({ page }) => {
    await page.goto(pathToFileURL(resolve(report)).href);
    if (heading) await page.evaluate(`document.querySelector("${heading}").scrollIntoView()`);
    const path = `docs/pictures/${name}.png`;
    await page.screenshot({ path, scale: options.isMobile ? "device" : "css" });
    console.log(`${path}: ${(await Deno.stat(path)).size} bytes`);
  });
}
