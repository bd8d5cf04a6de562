/** What stands around a chart: title, explanation, legend, and its data as a table. */
import { type Chart, drawChart } from "./chart.ts";
import { type Html, html } from "./html.ts";

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
