/** Measurements as people read them. */
import type { Measurement } from "./record.ts";

/** Units of figures, by the name's ending; what stands before is the name. */
const UNITS: readonly (readonly [ending: string, unit: string])[] = [
  ["gflopsPerSecond", " GFLOP/s"],
  ["gbytesPerSecond", " GB/s"],
  ["Percent", " %"],
  ["Bytes", " bytes"],
  ["Seconds", " s"],
];

/** A number with three digits, or all of them where it is a count. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return Math.abs(value) >= 1000 || Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toPrecision(3);
}

/** Seconds in the unit that fits. */
export function formatDuration(seconds: number): string {
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} us`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${seconds.toPrecision(3)} s`;
}

function formatFigure([name, value]: [string, number]): string {
  const [ending, unit] = UNITS.find(([ending]) => name.endsWith(ending)) ?? ["", ""];
  const label = name.slice(0, name.length - ending.length);
  return `${label}${label && " "}${formatNumber(value)}${unit}`;
}

/** A speed relative to another one, in words. */
export function formatSpeed(timesAsFast: number): string {
  return timesAsFast < 1 ? `${formatNumber(1 / timesAsFast)}x slower` : `${formatNumber(timesAsFast)}x faster`;
}

/** One measurement as a line, under its case where that is a new one. */
export function formatMeasurement(measurement: Measurement, previousCase = ""): string {
  const { contender, seconds, reference, figures, check, note } = measurement;
  const { timesAsFast, ...others } = figures;
  const parts = [
    seconds === null ? "" : formatDuration(seconds),
    ...Object.entries(others).map(formatFigure),
    timesAsFast === undefined ? "" : `${formatSpeed(timesAsFast)} than ${reference}`,
    ...Object.entries(check).map(([name, value]) => `${name} ${value.toExponential(1)}`),
    note ?? "",
  ].filter(Boolean);
  const heading = measurement.case === previousCase ? "" : `${measurement.case}\n`;
  return `${heading}  ${contender.padEnd(24)}  ${parts.join("  ")}`;
}
