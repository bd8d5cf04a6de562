/**
 * The test command: makes sure of an adapter and a browser, runs every test and every documentation example, and closes
 * with a line `N passed, N failed`. Arguments go to `deno test` (paths, `--filter=NAME`, ...); paths replace the
 * default ones.
 */
import manifest from "../deno.json" with { type: "json" };
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { adapterAdvice } from "../src/cli/system_package.ts";
import { ensureAdapter } from "./adapter.ts";
import { chromiumAdvice, ensureChromium } from "./chromium.ts";

const defaultPaths = ["tests/", ...Object.values(manifest.exports)];

const adapter = await ensureAdapter((line) => console.error(`adapter: ${line}`));
if (adapter === null) {
  console.error(
    `Error: this machine has no WebGPU adapter, and the tests need one.\nHint: ${await adapterAdvice()}`,
  );
  console.log("0 passed, 1 failed");
  Deno.exit(1);
}
console.error(`adapter: ${adapter}`);

const browser = await ensureChromium((line) => console.error(`browser: ${line}`));
if (browser === null) {
  console.error(`Error: this machine has no Chromium, and the tests need one.\nHint: ${await chromiumAdvice()}`);
  console.log("0 passed, 1 failed");
  Deno.exit(1);
}
console.error(`browser: ${browser.version}`);

const report = await Deno.makeTempFile({ suffix: ".xml" });
const paths = Deno.args.some((argument) => !argument.startsWith("-")) ? [] : defaultPaths;
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "--allow-all", "--doc", `--junit-path=${report}`, ...Deno.args, ...paths],
  env: webgpuEnvironment(),
  stdin: "null",
}).spawn().status;

const xml = await Deno.readTextFile(report);
await Deno.remove(report);
const total = xml.match(/<testsuites\b[^>]*>/)?.[0] ?? "";
const count = (attribute: string) => Number(total.match(new RegExp(`\\b${attribute}="(\\d+)"`))?.[1] ?? 0);
const skipped = (xml.match(/<skipped\b/g) ?? []).length;
const failed = count("failures") + count("errors");
const passed = count("tests") - failed - skipped;

// A skipped test looks green and proves nothing, so it counts as a failure; so does a run that died before counting.
const unaccounted = code !== 0 && failed === 0 ? 1 : 0;
if (skipped > 0) {
  console.error(`Error: ${skipped} tests were skipped.\nHint: mend them or delete them; see tests/QUARANTINE.md.`);
}
console.log(`\n${passed} passed, ${failed + skipped + unaccounted} failed`);
Deno.exit(code !== 0 ? code : skipped > 0 || passed === 0 ? 1 : 0);
