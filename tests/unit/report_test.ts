/** The report of a run: its bytes, its words, its size, and what strangers' text becomes in it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { DOMParser } from "linkedom";
import { escapeHtml } from "../../src/report/html.ts";
import { renderRunReport } from "../../src/report/run_report.ts";
import { script } from "../../src/report/script.ts";
import { style } from "../../src/report/style.ts";
import { judge } from "../../src/report/verdict.ts";
import { commandLine } from "../../src/report/command_line.ts";
import { divergingStep } from "../../src/report/diverging.ts";
import { wilsonInterval } from "../../src/report/interval.ts";
import { decimal, duration, points, significant } from "../../src/report/numbers.ts";
import { sampleRunResults } from "../support/run_results.ts";

const snapshot = new URL("report_snapshot.txt", import.meta.url);

/** A text with ordinary spaces. */
function plain(text: string): string {
  return text.replaceAll("\u00a0", " ");
}

function parse(page: string) {
  return new DOMParser().parseFromString(page, "text/html");
}

Deno.test("renderRunReport() gives the bytes of the snapshot when the results are the same", async () => {
  // Style and script have tests of their own in a browser.
  const page = renderRunReport(sampleRunResults()).replace(style, "").replace(script, "")
    .replaceAll(/sha256-[A-Za-z0-9+/=]+/g, "sha256");
  if (process.env.SECATEUR_UPDATE_SNAPSHOTS) await writeFile(snapshot, page);
  const expected = await readFile(snapshot, "utf8");
  assert(
    page === expected,
    "the report has changed: look at it, then run this test with SECATEUR_UPDATE_SNAPSHOTS=1 to accept it",
  );
});

Deno.test("renderRunReport() has a chart, an alternative text and a table for every figure", () => {
  const document = parse(renderRunReport(sampleRunResults()));
  const figures = [...document.querySelectorAll("figure")];
  assertEquals(figures.length, 10);
  for (const figure of figures) {
    const title = figure.querySelector("h3")!.textContent;
    assert(figure.querySelector("svg")!.getAttribute("aria-label")!.length > 40, title);
    assert(figure.querySelectorAll("details tbody tr").length > 1, title);
  }
});

Deno.test("renderRunReport() marks the chosen cell and all ties, and says accuracy and margin of every cell", () => {
  const results = sampleRunResults({ seed: 5 });
  const { configurations, chosen, tiedOnAccuracy } = results.searched;
  const document = parse(renderRunReport(results));
  const map = [...document.querySelectorAll("figure")].find((figure) =>
    figure.querySelector("h3")!.textContent === "Every layer and fraction"
  )!;
  const labels = [...map.querySelectorAll(".tip")].map((cell) => cell.getAttribute("aria-label")!);
  const grid = configurations.filter(({ layer }) => layer !== null);
  assertEquals(labels.length, grid.length);
  grid.forEach(({ layer, fraction, accuracy, meanMargin }, index) => {
    assertStringIncludes(labels[index], `layer ${layer}, ${+(100 * fraction).toFixed(2)}\u00a0%`);
    assertStringIncludes(labels[index], `accuracy ${decimal(100 * accuracy, 1)}\u00a0%`);
    assertStringIncludes(labels[index], `mean margin ${decimal(meanMargin, 3)}`);
    assertEquals(labels[index].endsWith("; chosen"), configurations[chosen] === grid[index]);
  });
  const tied = labels.filter((label) => label.endsWith("tied with the chosen one")).length;
  const unmodifiedTies = configurations[0].correct === configurations[chosen].correct ? 1 : 0;
  assertEquals(tied + 1 + unmodifiedTies, tiedOnAccuracy);
});

Deno.test("renderRunReport() stays under 1 MB when the model has 80 layers of 14,336 neurons", () => {
  const page = renderRunReport(
    sampleRunResults({ layers: 80, neurons: 14_336, adaptation: 10, test: 2000, excerptTokens: 40 }),
  );
  const bytes = new TextEncoder().encode(page).length;
  assert(bytes < 1_000_000, `${bytes} bytes`);
});

Deno.test("renderRunReport() shows markup of strangers as text when names, ids and tokens hold it", () => {
  const attack = `"'><script>alert(1)</script><img src=x onerror=alert(2)>\u0000\ud800`;
  const results = sampleRunResults({
    model: attack,
    task: attack,
    adapter: attack,
    arguments: ["run", attack],
    prefix: attack,
    tokenText: () => attack,
  });
  const page = renderRunReport(results);
  const document = parse(page);
  assertEquals(document.querySelectorAll("script").length, 1);
  assertEquals(document.querySelectorAll("img, iframe, object, embed, form, base, [style]").length, 0);
  for (const element of document.querySelectorAll("*")) {
    for (const name of element.getAttributeNames()) {
      assert(!name.startsWith("on"), `${element.localName} has ${name}`);
      assert(!/^(?:javascript|data:text)/i.test(element.getAttribute(name)!), `${element.localName} ${name}`);
    }
  }
  assert(!page.includes("<script>alert"));
  assert(page.isWellFormed() && !page.includes("\u0000"));
});

Deno.test("renderRunReport() draws every kind of run: joint path, each ranking, one layer, nothing pruned, one example", () => {
  for (
    const sample of [
      { path: "joint" },
      { ranking: "absolute" },
      { ranking: "positive" },
      { layers: 1 },
      { nothingHelps: true },
      { adaptation: 1, test: 1 },
    ] as const
  ) {
    const page = renderRunReport(sampleRunResults(sample)).replace(script, "");
    assert(
      !/NaN|undefined|Infinity/.test(page),
      `${JSON.stringify(sample)}: ${/[^]{0,80}(?:NaN|undefined|Infinity)[^]{0,40}/.exec(page)}`,
    );
  }
});

Deno.test("judge() says raised, lowered, unclear or kept when the interval lies above, below, around 0 or nothing is pruned", () => {
  const better = judge(sampleRunResults({ gain: 0.9, loss: 0 }));
  assertEquals(better.direction, "better");
  assertMatch(
    plain(better.sentence),
    /^Pruning \d+ of the 24 gate_proj neurons of layer \d raised accuracy on 40 test examples from .* to .*: \+\d+\.\d points, 95 % interval \+\d+\.\d to \+\d+\.\d\.$/u,
  );
  const worse = judge(sampleRunResults({ gain: 0, loss: 0.8 }));
  assertEquals(worse.direction, "worse");
  assertMatch(plain(worse.sentence), /lowered accuracy .* −\d+\.\d points, 95 % interval −\d+\.\d to −\d+\.\d\.$/u);
  const unclear = judge(sampleRunResults({ gain: 0.05, loss: 0.05 }));
  assertEquals(unclear.direction, "unclear");
  assertMatch(plain(unclear.sentence), /made no clear difference: .* interval −\d+\.\d to \+\d+\.\d\.$/u);
  const kept = judge(sampleRunResults({ nothingHelps: true }));
  assertEquals(kept.direction, "unmodified");
  assertMatch(plain(kept.sentence), /^The search kept the unmodified model, .*none of 30 pruned/);
});

Deno.test("wilsonInterval() gives the published interval when a share was counted", () => {
  // Newcombe 1998 (Statistics in Medicine 17), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  for (
    const [counted, of, low, high] of [[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611], [
      1,
      29,
      0.0061,
      0.1718,
    ]]
  ) {
    assertEquals(wilsonInterval(counted / of, of).map((value) => Number(value.toFixed(4))), [low, high]);
  }
});

Deno.test("divergingStep() reaches the last step at the extent and 0 only at no difference", () => {
  assertEquals([-1, -0.51, -1e-6, 0, 0.25, 0.26, 1, 7].map((value) => divergingStep(value, 1)), [
    -4,
    -3,
    -1,
    0,
    1,
    2,
    4,
    4,
  ]);
  assertEquals(divergingStep(0.5, 0), 0);
});

Deno.test("numbers are written with true minus signs, few digits, and without a negative zero", () => {
  assertEquals([decimal(-0.04, 1), decimal(-1.25, 1), decimal(null, 1), decimal(-Infinity, 1)], [
    "0.0",
    "−1.3",
    "–",
    "−∞",
  ]);
  assertEquals([significant(0.000012345), significant(-123456), significant(0), significant(0.0172)], [
    "1.23e−5",
    "−123000",
    "0",
    "0.0172",
  ]);
  assertEquals([points(0.129), points(-0.004), points(0.0001)], ["+12.9", "−0.4", "0.0"]);
  assertEquals([duration(0.512), duration(59.7), duration(3725)].map(plain), [
    "0.51 s",
    "1 min 0 s",
    "1 h 2 min",
  ]);
});

Deno.test("commandLine() quotes arguments as a POSIX shell reads them", () => {
  assertEquals(
    commandLine(["run", "--out", "my run", "it's", "$(x)"]),
    `secateur run --out 'my run' 'it'\\''s' '$(x)'`,
  );
});

Deno.test("escapeHtml() replaces what HTML cannot hold", () => {
  assertEquals(
    escapeHtml(`<a b="c" d='e'>&\u0000\u001b\u007f\u0085\t\n`),
    "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;␀␛␡\ufffd\t\n",
  );
});
