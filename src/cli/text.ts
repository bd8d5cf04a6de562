/** How results look on a terminal: tables, numbers, and the sentences that several commands share. */
import type { EngineInfo } from "../engine/engine.ts";
import type { CompletenessError } from "../method/completeness.ts";
import type { Configuration, SearchResult } from "../method/search.ts";
import { accuracyStandardError } from "../tasks/scoring.ts";

/** Columns under each other; the first column leans left, the others right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join("  ")}`
      .trimEnd()
  ).join("\n");
}

/** An accuracy or a standard error, 4 decimals; `-` where there is none. */
export function formatShare(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "-" : value.toFixed(4);
}

/** A value that JSON can hold: null where it is not finite. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** `1 thing`, `2 things`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** A large amount with a decimal unit, such as `1.25 TFLOP`. */
export function formatAmount(amount: number, unit: string): string {
  const prefixes = ["", "k", "M", "G", "T", "P", "E"];
  const exponent = amount < 1 ? 0 : Math.min(prefixes.length - 1, Math.floor(Math.log10(amount) / 3));
  const value = amount / 1000 ** exponent;
  return `${value >= 100 ? value.toFixed(0) : +value.toPrecision(3)} ${prefixes[exponent]}${unit}`;
}

/** Which engine, on what. */
export function formatEngine({ kind, adapter }: EngineInfo): string {
  return kind === "webgpu" ? `WebGPU on ${adapter}` : adapter;
}

/** How far the attributions are from adding up. */
export function formatCompleteness({ worst, unconverged, paths, tolerance }: CompletenessError): string {
  return `worst completeness error ${worst.toExponential(1)}; ${unconverged} of ${
    counted(paths.length, "path")
  } above ` +
    `${tolerance}`;
}

/** A configuration in words. */
export function formatConfiguration({ layer, fraction, neurons }: Configuration): string {
  return layer === null
    ? "no pruning"
    : `layer ${layer}, ${+(100 * fraction).toFixed(2)} % (${counted(neurons, "neuron")})`;
}

/**
 * Configurations as accurate as the chosen one, in words.
 *
 * @param tied The chosen one included.
 */
export function formatTies(tied: number, configurations: number): string {
  return `tied with ${counted(tied - 1, "other")} of ${configurations} configurations`;
}

/** What a search chose, and how clear the choice was. */
export function formatChoice(result: SearchResult): string {
  const { configurations, chosen, tiedOnAccuracy, examples } = result;
  const { accuracy, correct, layer } = configurations[chosen];
  const unpruned = configurations.find((configuration) => configuration.layer === null);
  const standardError = accuracyStandardError(accuracy, examples.length);
  return `chosen: ${formatConfiguration(configurations[chosen])}, accuracy ${formatShare(accuracy)} (standard error ${
    formatShare(standardError)
  }) on ${counted(examples.length, "example")}; ${formatTies(tiedOnAccuracy, configurations.length)}${
    layer !== null && unpruned?.correct === correct
      ? "; the unpruned model is as accurate on them: no clear difference"
      : ""
  }`;
}
