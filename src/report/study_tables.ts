/** What the sections of a study's Markdown share: tables, and comparisons as tables. */
import type { ComparedArm, Comparison } from "../method/study/comparison.ts";
import { decimal, points } from "./numbers.ts";

/** A table; the first column leans left, the others right. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join("\n");
}

/** An accuracy. */
export const share = (value: number | null) => decimal(value, 4);

/** A probability. */
export function pValue(value: number): string {
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** Accuracy, spread and gain of an arm. */
export function armCells({ name, accuracy, gain, harmed, redraws }: ComparedArm): string[] {
  const [low, high] = gain.interval;
  return [
    name,
    share(accuracy.mean),
    share(accuracy.standardDeviation),
    share(accuracy.lowest),
    points(gain.mean),
    `${points(low)} to ${points(high)}`,
    pValue(gain.pValue),
    `${harmed} of ${redraws.length}`,
  ];
}

/** Heads the cells of an arm. */
export const armHeader = ["", "accuracy", "sd", "worst", "gain", "95 % interval", "p", "harmed"];

/** The table of a comparison, the unmodified model first. */
export function comparisonTable({ unpruned, arms }: Comparison): string {
  const unmodified = ["unpruned", share(unpruned.accuracy), "–", "–", "–", "–", "–", "–"];
  return table([armHeader, unmodified, ...arms.map(armCells)]);
}

/** What was measured to get to a comparison. */
export function triedText({ tried }: Comparison): string {
  return `Tried: ${tried.configurations} configurations on adaptation examples; ${tried.testPlans} different plans were ` +
    "then measured on the test rows, and none was chosen there.";
}

/** What each arm is, as a list. */
export function abouts({ arms }: Comparison): string {
  return arms.map(({ name, about }) => `- **${name}**: ${about}`).join("\n");
}
