/**
 * A page that needs nothing else: style, script and charts are in it. Its content security policy allows exactly that
 * style and that script, so that markup which slipped in from a task or a vocabulary could neither run nor load
 * anything.
 */
import { createHash } from "node:crypto";
import { type Html, Html as Markup, html } from "./html.ts";
import { script } from "./script.ts";
import { style } from "./style.ts";

function sourceHash(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

const policy = [
  "default-src 'none'",
  `style-src ${sourceHash(style)}`,
  `script-src ${sourceHash(script)}`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** What a page is made of. */
export interface Page {
  /** Text of the title. */
  readonly title: string;
  readonly header: Html;
  readonly main: Html;
  readonly footer: Html;
}

/** The whole document. */
export function renderPage({ title, header, main, footer }: Page): string {
  const page = html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="generator" content="Secateur">
        <title>${title}</title>
        <link rel="icon" href="data:,">
        <style>${new Markup(style)}</style>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the results</a>
        <header>${header}</header>
        <main id="main">${main}</main>
        <footer>${footer}</footer>
        <script>${new Markup(script)}</script>
      </body>
    </html>
  `;
  return page.markup.trimStart();
}
