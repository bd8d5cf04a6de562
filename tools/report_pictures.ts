/**
 * Takes the pictures of a report in `docs/pictures/`: wide in light and dark, and on a phone. The argument is a report, such
 * as `out/demo/report.html`.
 */
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { type PageOptions, withPage } from "../tests/support/browser.ts";

const [report] = Deno.args;
if (report === undefined) {
  console.error(
    "Error: the report is missing\nHint: deno run --allow-all tools/report_pictures.ts out/demo/report.html",
  );
  Deno.exit(2);
}

/** Name, how the page is opened, and the heading that the picture starts at; the top of the page without one. */
const pictures: readonly (readonly [name: string, options: PageOptions, heading?: string])[] = [
  ["report-light", { viewport: { width: 1120, height: 1180 } }],
  ["report-dark", { viewport: { width: 1120, height: 1280 }, colorScheme: "dark" }, "#search"],
  ["report-neurons", { viewport: { width: 1120, height: 900 } }, "#traces"],
  ["report-phone", { viewport: { width: 390, height: 844 }, isMobile: true }],
];

for (const [name, options, heading] of pictures) {
  await withPage(options, async ({ page }) => {
    await page.goto(pathToFileURL(resolve(report)).href);
    if (heading) await page.evaluate(`document.querySelector("${heading}").scrollIntoView()`);
    const path = `docs/pictures/${name}.png`;
    await page.screenshot({ path, scale: options.isMobile ? "device" : "css" });
    console.log(`${path}: ${(await Deno.stat(path)).size} bytes`);
  });
}
