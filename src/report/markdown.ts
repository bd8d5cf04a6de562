/**
 * The Markdown that reports of studies are written in, as HTML: paragraphs, tables, lists with dashes, indented code,
 * and in a line code and strong words. Everything else is text, so what comes from strangers stays text.
 */
import { renderTable } from "./figure.ts";
import { type Content, type Html, html } from "./html.ts";

/** A heading and what stands under it. */
export interface MarkdownSection {
  readonly title: string;
  readonly body: string;
}

/** Cuts a text at its headings of one level; what stands before the first is left out. */
export function markdownSections(text: string, level: number): MarkdownSection[] {
  const mark = `${"#".repeat(level)} `;
  return `\n${text}`.split(`\n${mark}`).slice(1).map((part) => {
    const end = part.indexOf("\n");
    return end < 0 ? { title: part, body: "" } : { title: part.slice(0, end), body: part.slice(end + 1) };
  });
}

/** Words of a line: code between backticks, strong between two stars. A percentage does not break over a line. */
function inline(text: string): Content[] {
  return text.split(/(`[^`]*`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.length > 1 && piece.startsWith("`") && piece.endsWith("`")) {
      return html`<code>${piece.slice(1, -1)}</code>`;
    }
    const words = piece.replaceAll(/(?<=\d) (?=%)/g, "\u00a0");
    return words.startsWith("**") && words.endsWith("**") ? html`<strong>${words.slice(2, -2)}</strong>` : words;
  });
}

/** Cells of a row of a table; a bar behind a backslash belongs to the text. */
function cellsOf(line: string): string[] {
  return line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function renderBlock(block: string, caption: string): Html {
  const lines = block.split("\n");
  if (lines.length > 1 && lines.every((line) => line.startsWith("|"))) {
    const [columns, , ...rows] = lines.map(cellsOf);
    return renderTable(caption, {
      columns: columns.map((column) => column || "what"),
      rows: rows.map((row) => row.map((cell) => html`${inline(cell)}`)),
    });
  }
  if (lines.every((line) => /^(?:- | {2})/.test(line)) && lines[0].startsWith("- ")) {
    const items = block.slice(2).split("\n- ");
    return html`<ul class="notes">${items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`;
  }
  if (lines.every((line) => line.startsWith("    "))) {
    return html`<pre class="command" tabindex="0"><code>${lines.map((line) => line.slice(4)).join("\n")}</code></pre>`;
  }
  return html`<p>${inline(block)}</p>`;
}

/** A text without headings as HTML; `caption` names its tables. */
export function renderMarkdown(text: string, caption: string): Html {
  const blocks = text.trim().split(/\n{2,}/).filter((block) => block !== "");
  return html`${blocks.map((block) => renderBlock(block, caption))}`;
}
