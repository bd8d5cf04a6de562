/**
 * Charts as SVG text, drawn by Observable Plot without a browser. The same data gives the same bytes: coordinates are
 * rounded to hundredths. Colours are variables of the page's style sheet, so a chart follows light and dark.
 */
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";
import { escapeHtml, Html } from "./html.ts";

/** Width in which every chart is drawn; the page scales it. Narrow, so that text stays legible on a phone. */
export const chartWidth = 400;

/** A chart to draw. */
export interface Chart {
  /** What a person who does not see the chart must know: what it shows, and what can be seen in it. */
  readonly alt: string;
  /** Height in the unit of `chartWidth`. */
  readonly height: number;
  /** The rest as Plot takes it. Marks with the class `tips` and an `ariaLabel` can be pointed at and focused. */
  readonly plot: Omit<Plot.PlotOptions, "document" | "width" | "height" | "className" | "style">;
  /** Which of the `tips` the focus enters at, in the order they are drawn. Default 0. */
  readonly start?: number;
}

/** Class of marks whose elements say something when pointed at or focused. */
export const tipsClass = "tips";

/** Draws a chart. */
export function drawChart({ alt, height, plot, start = 0 }: Chart): Html {
  const document = new DOMParser().parseFromString("<!doctype html><html><body></body></html>", "text/html");
  const svg = Plot.plot({ ...plot, document, className: "chart", width: chartWidth, height });
  // A strict content security policy refuses style elements and attributes; the page's style sheet says the same.
  for (const style of svg.querySelectorAll("style")) style.remove();
  for (const name of ["font-family", "width", "height"]) svg.removeAttribute(name);
  const tips = [...svg.querySelectorAll(`.${tipsClass} > *`)];
  for (const element of svg.querySelectorAll("*")) {
    // Plot names its groups for its own tooltips; a label without a role is noise to a screen reader.
    if (!tips.includes(element)) element.removeAttribute("aria-label");
    for (const name of element.getAttributeNames()) {
      const value = element.getAttribute(name)!;
      if (/^(?:d|transform|points|[xyrc]|[xyr][12xy]|c[xy]|d[xy]|width|height)$/.test(name)) {
        element.setAttribute(name, value.replaceAll(/-?\d+\.\d{3,}(?:e-?\d+)?/g, roundNumber));
      }
    }
  }
  // Labels may hold strangers' text, and the serialiser leaves `<` and `&` in attributes as they are.
  const labels: string[] = [];
  const hold = (text: string) => `label ${labels.push(escapeHtml(text)) - 1}`;
  tips.forEach((element, index) => {
    element.setAttribute("aria-label", hold(element.getAttribute("aria-label") ?? ""));
    element.setAttribute("class", "tip");
    element.setAttribute("role", "img");
    element.setAttribute("tabindex", index === Math.min(start, tips.length - 1) ? "0" : "-1");
  });
  svg.setAttribute("role", tips.length > 0 ? "group" : "img");
  svg.setAttribute("aria-label", hold(alt));
  const markup: string = svg.outerHTML;
  return new Html(
    markup.replaceAll(/aria-label="label (\d+)"/g, (_, index) => `aria-label="${labels[Number(index)]}"`),
  );
}

function roundNumber(text: string): string {
  return String(Math.round(Number(text) * 100) / 100 || 0);
}
