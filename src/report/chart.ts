/**
 * Charts as SVG text, drawn by Observable Plot without a browser. The same data gives the same bytes: coordinates are
 * rounded to hundredths. Colours are variables of the page's style sheet, so a chart follows light and dark.
 */
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";
import { escapeHtml, Html, html } from "./html.ts";

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

/** The name of the horizontal axis, under its right end; needs a bottom margin of 40. */
export function xTitle(text: string): Plot.Markish {
  return Plot.text([text], { frameAnchor: "bottom-right", dy: 36, fontSize: 13, fill: "var(--muted)" });
}

/** The name of the vertical axis, over its upper end; needs a top margin of 24. */
export function yTitle(text: string, marginLeft: number): Plot.Markish {
  const dx = 4 - marginLeft;
  return Plot.text([text], { frameAnchor: "top-left", dx, dy: -22, fontSize: 13, fill: "var(--muted)" });
}

function roundNumber(text: string): string {
  return String(Math.round(Number(text) * 100) / 100 || 0);
}

/** A table: column heads, then rows; the first cell of a row is its head. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | Html)[])[];
}

/** A table as HTML, in a box that scrolls sideways where it is too wide. */
export function renderTable(caption: string, { columns, rows }: Table): Html {
  return html`
    <div class="scroll" role="group" aria-label="${caption}" tabindex="0">
      <table>
        <caption>${caption}</caption>
        <thead>
          <tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr>
        </thead>
        <tbody>${rows.map(([head, ...cells]) =>
          html`
            <tr><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

/** A chart with its title, how to read it, and its data as a table that opens. */
export interface Figure {
  readonly title: string;
  /** One or two sentences under the title. */
  readonly explanation: string | Html;
  readonly chart: Chart;
  /** What stands between explanation and chart, such as a legend. */
  readonly legend?: Html | null;
  readonly table: Table;
}

/** A figure as HTML. */
export function renderFigure({ title, explanation, chart, legend, table }: Figure): Html {
  return html`
    <figure class="card"><figcaption><h3>${title}</h3><p>${explanation}</p></figcaption>
    ${legend}${drawChart(chart)}
    <details><summary>Data as a table</summary>${renderTable(title, table)}</details></figure>
  `;
}

/** One entry of a legend: a swatch of a class, and what it means. */
export function renderLegend(entries: readonly { readonly swatch: string; readonly text: string }[]): Html {
  return html`<ul class="legend">${
    entries.map(({ swatch, text }) => html`<li><span class="swatch ${swatch}" aria-hidden="true"></span>${text}</li>`)
  }</ul>`;
}
