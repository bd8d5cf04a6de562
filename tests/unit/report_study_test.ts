/** The page of a study: its words are those of the Markdown, its charts those of the parts. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DOMParser } from "linkedom";
import { runStudy, type StudyDocument } from "../../src/method/study/study.ts";
import { markdownSections, renderMarkdown } from "../../src/report/markdown.ts";
import { script } from "../../src/report/script.ts";
import { judgeStudy, renderStudyReport } from "../../src/report/study_report.ts";
import { studyToyInput } from "../support/study_toy.ts";

const study = await runStudy(studyToyInput());

function parse(page: string) {
  return new DOMParser().parseFromString(page, "text/html");
}

Deno.test("renderStudyReport() has a section for every part, and charts with alternative text and tables", () => {
  const page = renderStudyReport(study, "secateur study --out x");
  assert(!/NaN|undefined|Infinity/.test(page.replace(script, "")));
  const document = parse(page);
  assertEquals(document.querySelectorAll("h3.part").length, study.tasks[0].settings.parts.length);
  const figures = [...document.querySelectorAll("figure")];
  assertEquals(figures.length, 8);
  for (const figure of figures) {
    assert(figure.querySelector("svg")!.getAttribute("aria-label")!.length > 40);
    assert(figure.querySelectorAll("details tbody tr").length > 0);
  }
  assertEquals(renderStudyReport(study, "secateur study --out x"), page);
  assertStringIncludes(page, "secateur study --out x");
});

Deno.test("renderStudyReport() says gain and interval of every arm when its mark is pointed at", () => {
  const document = parse(renderStudyReport(study));
  const figure = [...document.querySelectorAll("figure")].find((one) =>
    one.querySelector("h3")!.textContent.startsWith("Main table")
  )!;
  const labels = [...figure.querySelectorAll(".tip")].map((mark) => mark.getAttribute("aria-label")!);
  const { arms } = study.tasks[0].results.main!;
  assertEquals(labels.length, arms.length);
  assertStringIncludes(labels[0], "pruned: +50.0 points");
  assertStringIncludes(labels[0], "below the unpruned model in 0 of 3");
});

Deno.test("judgeStudy() says raised, lowered or unclear by the interval of the paper's arm", () => {
  const [task] = study.tasks;
  const main = task.results.main!;
  const [arm, ...others] = main.arms;
  const judged = (mean: number, interval: readonly [number, number]) => {
    const changed = { ...arm, gain: { ...arm.gain, mean, interval } };
    return judgeStudy({ ...task, results: { ...task.results, main: { ...main, arms: [changed, ...others] } } })!;
  };
  assertMatch(
    judged(0.1, [0.05, 0.2]).sentence,
    /^Over 3.redraws of .* pruning raised accuracy on 30.test rows .* \+10\.0 points, 95.% interval \+5\.0 to \+20\.0; below .* in 0 of 3 redraws\.$/u,
  );
  assertEquals(judged(-0.1, [-0.2, -0.05]).direction, "worse");
  assertEquals(judged(0.01, [-0.1, 0.1]).direction, "unclear");
  assertEquals(judgeStudy({ ...task, results: { ...task.results, main: null } }), null);
});

Deno.test("renderStudyReport() compares tasks where there are several, and shows strangers' text as text", () => {
  const attack = "<script>alert(1)</script>|`**x**`";
  const tasks = [study.tasks[0], { ...study.tasks[0], task: attack }];
  const document = parse(renderStudyReport({ ...study, tasks, model: attack } as StudyDocument));
  assertEquals(document.querySelectorAll("script").length, 1);
  assertStringIncludes(document.querySelector("h1")!.textContent, attack);
  assertEquals(document.querySelectorAll("#tasks").length, 1);
  assertEquals(document.querySelectorAll("section figure").length, 17);
});

Deno.test("renderMarkdown() makes tables, lists, code and paragraphs, and nothing else", () => {
  const text =
    "One `a<b` and **two**.\n\n| a   | b \\| c |\n| --- | -----: |\n| x   | 1 |\n\n- first\n- second\n  goes on\n\n    code <here>\n\n<b>text</b>";
  const document = parse(`<main>${renderMarkdown(text, "A table")}</main>`);
  assertEquals([...document.querySelectorAll("p")].map((one) => one.innerHTML), [
    "One <code>a&lt;b</code> and <strong>two</strong>.",
    "&lt;b&gt;text&lt;/b&gt;",
  ]);
  assertEquals([...document.querySelectorAll("th, td")].map((one) => one.textContent), ["a", "b | c", "x", "1"]);
  assertEquals(document.querySelectorAll("li").length, 2);
  assertEquals(document.querySelector("pre")!.textContent, "code <here>");
});

Deno.test("renderMarkdown() keeps a percentage on one line, and code as it is", () => {
  assertEquals(String(renderMarkdown("5 %, **10 %** and `20 %`", "A table")).match(/\d+\s%/g), [
    "5\u00a0%",
    "10\u00a0%",
    "20 %",
  ]);
});

Deno.test("markdownSections() cuts at headings of one level only", () => {
  const text = "before\n## a\n\n### deeper\nx\n## b\ny";
  assertEquals(markdownSections(text, 2), [{ title: "a", body: "\n### deeper\nx" }, { title: "b", body: "y" }]);
  assertEquals(markdownSections(text, 3), [{ title: "deeper", body: "x\n## b\ny" }]);
});
