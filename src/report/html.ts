/** HTML as a tagged template: everything put into it is escaped, except what is HTML already. */

/** Text that is HTML: markup, not something to be shown as it is. */
export class Html {
  /** @param markup Trusted to be well-formed and free of anything that came from elsewhere unescaped. */
  constructor(readonly markup: string) {}

  /** The markup. */
  toString(): string {
    return this.markup;
  }
}

/** What a template takes; nothing is shown for null, undefined and false. */
export type Content = Html | string | number | false | null | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** What stands for a control character, which HTML cannot hold; tabs and line feeds stay. */
function pictureOf(control: string): string {
  const code = control.charCodeAt(0);
  if (control === "\t" || control === "\n") return control;
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
}

/**
 * Text as it stands between tags or inside a quoted attribute. Control characters become the picture that Unicode has
 * for each, and lone surrogates, which UTF-8 cannot hold, the replacement character.
 */
export function escapeHtml(text: string): string {
  return text.toWellFormed()
    .replaceAll(/\p{Cc}/gu, pictureOf)
    .replaceAll(/[&<>"']/g, (character) => entities[character]);
}

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return "";
  if (content instanceof Html) return content.markup;
  if (typeof content === "object") return content.map(render).join("");
  return escapeHtml(String(content));
}

/** Markup with values in it. Attributes must be quoted in the template; its own indentation is left out. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  const pieces = strings.map((piece) => piece.replaceAll(/\n\s*/g, "\n"));
  return new Html(pieces.reduce((markup, piece, index) => markup + render(values[index - 1]) + piece));
}
