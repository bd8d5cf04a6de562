/** The section about what the pruned neurons respond to: their strongest prompts, tokens coloured by activation. */
import { layerScores } from "../method/neuron_scores.ts";
import type { Excerpt, TracedNeuron } from "../method/neuron_excerpts.ts";
import { renderTable } from "./figure.ts";
import { allSteps, divergingStep, stepName } from "./diverging.ts";
import { type Html, html } from "./html.ts";
import { counted, grouped, significant } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";

/** A token as it reads in a text: line breaks become a sign, since they would tear a line apart. */
function visible(token: string): string {
  return token.replaceAll("\r\n", "⏎").replaceAll(/[\r\n]/g, "⏎").replaceAll("\t", "⇥");
}

/** A token in a list: spaces at its ends become a sign, since they cannot be seen there. */
function quoted(token: string): string {
  return visible(token).replaceAll(/^ +| +$/g, (spaces) => "␣".repeat(spaces.length)) || "(empty)";
}

function peakOf({ activations }: Excerpt): number {
  return activations.reduce((best, value, index) => Math.abs(value) > Math.abs(activations[best]) ? index : best, 0);
}

function renderExcerpt(excerpt: Excerpt, extent: number): Html {
  const { example, start, length, tokens, activations } = excerpt;
  const peak = peakOf(excerpt);
  const spans = tokens.map((token, index) => {
    const step = divergingStep(activations[index], extent);
    const name = `${Math.abs(activations[index]) < extent / 16 ? "zero" : stepName(step)}${
      index === peak ? " peak" : ""
    }`;
    // Spaces in front belong to the token, and stay outside of its colour so that a line can break there.
    const text = visible(token);
    const word = text.trimStart() || text;
    const title = significant(activations[index]);
    return html`${text.slice(0, text.length - word.length)}<span class="${name}" title="${title}">${word}</span>`;
  });
  const more = { before: start > 0, after: start + tokens.length < length };
  return html`
    <li>
      <p class="tokens">${more.before && "… "}${spans}${more.after && " …"}</p>
      <p class="source">${example}: <b>${significant(activations[peak])}</b> at <code>${quoted(
        tokens[peak],
      )}</code>, token ${grouped(start + peak)} of ${grouped(length)}</p>
    </li>
  `;
}

function renderNeuron(traced: TracedNeuron, score: number, rank: number): Html {
  const { layer, neuron, meanAbsolute, excerpts } = traced;
  const extent = Math.max(...excerpts.map((excerpt) => Math.abs(excerpt.activations[peakOf(excerpt)])));
  return html`
    <article class="card">
      <h3>Layer ${layer}, neuron ${neuron}</h3>
      <p>Rank ${rank}, score ${significant(score)}; mean |activation| ${significant(meanAbsolute)}.</p>
      <ol class="excerpts">${excerpts.map((excerpt) => renderExcerpt(excerpt, extent))}</ol>
    </article>
  `;
}

/** Neurons that are shown at once; the others are one click away. */
const cardsShown = 6;

/** The section as HTML. */
export function renderTraces({ traces, scored, searched }: RunResults): Html {
  const heading = html`<h2 id="traces">What the pruned neurons respond to</h2>`;
  if (traces === null || traces.neurons.length === 0) {
    const why = searched.site === "down"
      ? "The rows of down_proj are outputs of a layer; they have no activation of their own."
      : "Nothing is pruned.";
    return html`
      <section aria-labelledby="traces">${heading}<p>${why}</p></section>
    `;
  }
  const pruned = searched.neurons.length;
  const score = ({ layer, neuron }: TracedNeuron) => layerScores(scored.scores, layer)[neuron];
  const cards = traces.neurons.map((traced, rank) => renderNeuron(traced, score(traced), rank + 1));
  const table = renderTable("Where each neuron is strongest", {
    columns: ["neuron", "rank", "score", "mean |activation|", "largest", "strongest tokens"],
    rows: traces.neurons.map((traced, rank) => [
      `${traced.layer}/${traced.neuron}`,
      String(rank + 1),
      significant(score(traced)),
      significant(traced.meanAbsolute),
      significant(traced.excerpts[0].activations[peakOf(traced.excerpts[0])]),
      [...new Set(traced.excerpts.map((excerpt) => quoted(excerpt.tokens[peakOf(excerpt)])))].join(", "),
    ]),
  });
  return html`
    <section aria-labelledby="traces">${heading}
    <p class="lead">The first ${grouped(traces.neurons.length)} of ${counted(
      pruned,
      "pruned neuron",
    )} in the order of the ranking, and the prompts in which the activation h = silu(g)·u of each is largest in size, among ${counted(
      traces.examples,
      "example",
    )} (${counted(
      traces.tokens,
      "token",
    )}), in the unmodified model. Colours are relative to the neuron's own largest.</p>
    <ul class="legend"><li><span class="scale" aria-hidden="true">${allSteps.map((step) =>
      html`<span class="${stepName(step)}"></span>`
    )}</span>negative to positive</li></ul>
    <div class="grid">${cards.slice(0, cardsShown)}</div>
    ${cards.length > cardsShown && html`
      <details class="more">
        <summary>${counted(cards.length - cardsShown, "more neuron")}</summary>
        <div class="grid">${cards.slice(cardsShown)}</div>
      </details>
    `}
    <details class="card"><summary>Data as a table</summary>${table}</details></section>
  `;
}
