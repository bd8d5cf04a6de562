/** The box that a page opens with: one sentence, and the facts that belong to it. */
import { type Html, html } from "./html.ts";

/** A fact in a word, its value, and what must be known about it. */
export type Fact = readonly [name: string, value: string, remark: string];

/** The box as HTML; its colour says whether that is good, bad or neither. */
export function renderVerdictBox(
  direction: "better" | "worse" | "unclear" | "unmodified",
  sentence: string,
  facts: readonly Fact[] = [],
): Html {
  return html`
    <section class="verdict ${direction}" aria-label="${sentence.split(/[,:;]/)[0]}">
      <p class="sentence">${sentence}</p>
      ${facts.length > 0 && html`
        <dl class="facts">${facts.map(([name, value, remark]) =>
          html`
            <div>
              <dt>${name}</dt>
              <dd>${value}<small>${remark}</small></dd>
            </div>
          `
        )}</dl>
      `}
    </section>
  `;
}
