/** The style sheet of every page. Colours are variables in two sets, light and dark; paper is always light. */

const light = `
  --paper: #f6f7f4; --card: #ffffff; --ink: #1b1f1c; --muted: #59615c; --line: #e2e5df; --edge: #dde1da;
  --leaf: #2f6b3c; --before: #6b7280; --after: #0b66a3; --cut: #b3480c; --other: #b4bab5; --box: #e8ebe6;
  --n4: #a34e08; --n3: #df8436; --n2: #f4b47c; --n1: #fbe2ca; --zero: #ecefea;
  --p1: #d3e6f4; --p2: #95c5e5; --p3: #4794ca; --p4: #0b5a94;
  --on-n4: #fff; --on-n3: #1b1f1c; --on-n2: #1b1f1c; --on-n1: #1b1f1c; --on-zero: #1b1f1c;
  --on-p1: #1b1f1c; --on-p2: #1b1f1c; --on-p3: #10151a; --on-p4: #fff;
  --shadow: 0 1px 2px rgb(27 31 28 / 6%), 0 4px 16px rgb(27 31 28 / 5%);`;

const dark = `
  --paper: #121513; --card: #1b1f1d; --ink: #e8ebe6; --muted: #a3aca6; --line: #2c322e; --edge: #2e3431;
  --leaf: #8fce9c; --before: #a3aab5; --after: #62b5ee; --cut: #f2a25c; --other: #58605b; --box: #343b37;
  --n4: #fbc48b; --n3: #d98a3d; --n2: #97602a; --n1: #543a20; --zero: #2b312d;
  --p1: #1f3f57; --p2: #28648d; --p3: #4798cf; --p4: #9ed3f7;
  --on-n4: #1b1f1c; --on-n3: #14110d; --on-n2: #fff; --on-n1: #f0e6dc; --on-zero: #e8ebe6;
  --on-p1: #e3eef6; --on-p2: #fff; --on-p3: #0d141a; --on-p4: #10202c;
  --shadow: none;`;

const steps = ["n4", "n3", "n2", "n1", "zero", "p1", "p2", "p3", "p4"];

/** CSS text. */
export const style = `
:root { color-scheme: light dark; ${light} }
@media screen and (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 12px; top: 12px; z-index: 3; background: var(--card); padding: 8px 14px; border-radius: 8px; }
.brand { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; justify-content: space-between;
  color: var(--muted); font-size: .875rem; margin: 0 0 14px; }
.brand b { color: var(--leaf); letter-spacing: .02em; font-size: 1rem; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0 0 10px; overflow-wrap: anywhere; }
h1 span { color: var(--muted); font-weight: 400; }
h2 { font-size: 1.375rem; line-height: 1.25; margin: 44px 0 14px; letter-spacing: -.01em; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 0 0 4px; }
p { margin: 0 0 10px; }
a { color: var(--after); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline: 3px solid var(--after); outline-offset: 2px; border-radius: 4px;
}
.verdict { background: var(--card); border: 1px solid var(--edge); border-radius: 16px; box-shadow: var(--shadow);
  padding: 28px 28px 22px; position: relative; overflow: hidden; }
.verdict::before { content: ""; position: absolute; inset: 0 0 auto; height: 5px; background: var(--other); }
.verdict.better::before { background: var(--after); }
.verdict.worse::before { background: var(--cut); }
.verdict .sentence { font-size: clamp(1.2rem, 1rem + 1.3vw, 1.7rem); line-height: 1.32; font-weight: 600;
  letter-spacing: -.012em; margin: 0 0 18px; text-wrap: pretty; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px 18px; margin: 0;
  border-top: 1px solid var(--line); padding-top: 16px; }
.facts div { min-width: 0; display: grid; grid-template-rows: subgrid; grid-row: span 2; row-gap: 0; }
.facts dt { align-self: end; color: var(--muted); font-size: .8125rem; }
.facts dd { margin: 0; font-size: 1.0625rem; font-weight: 600; }
.facts dd small { display: block; font-size: .8125rem; font-weight: 400; color: var(--muted); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 18px; padding: 0; margin: 16px 0 0; font-size: .9375rem; }
h2.first { margin-top: 0; }
.spaced { margin-top: 16px; }
.lead { max-width: 75ch; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; align-items: start; }
.stack { display: grid; gap: 16px; min-width: 0; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 14px; box-shadow: var(--shadow);
  padding: 18px 20px; margin: 0; min-width: 0; }
.card + .grid, .grid + .card { margin-top: 16px; }
.card > p, figcaption p { color: var(--muted); font-size: .9375rem; }
.card > p b, .card > p strong { color: var(--ink); }
svg.chart { display: block; width: 100%; height: auto; overflow: visible; margin: 6px 0 4px; font-family: inherit; }
svg.chart text { white-space: pre; }
@media (min-width: 561px) {
  svg.chart [font-size="13"] { font-size: 11.5px; }
  svg.chart [font-size="12"] { font-size: 10.5px; }
}
svg .tip { outline: none; }
svg .tip:focus-visible, svg .tip:hover { stroke: var(--ink); stroke-width: 2.5; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 0 0 6px; font-size: .8438rem;
  color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 7px; }
.swatch { width: 14px; height: 14px; border-radius: 4px; flex: none; }
.swatch.before { background: var(--before); }
.swatch.after { background: var(--after); }
.swatch.chosen { border: 3px solid var(--ink); }
.swatch.tied { border: 1.5px dashed var(--ink); }
.line { width: 22px; height: 0; border-top: 3px solid var(--after); flex: none; }
.line.other { border-top: 2px solid var(--other); }
.line.dashed { border-top: 2px dashed var(--before); }
.line.cut { border-color: var(--cut); }
.cut-mark { width: 0; height: 14px; border-left: 3px solid var(--cut); }
.scale { display: inline-flex; border-radius: 4px; overflow: hidden; }
.scale span { width: 14px; height: 14px; }
${
  steps.map((name) => `.scale .${name}, .tokens .${name} { background: var(--${name}); color: var(--on-${name}); }`)
    .join("\n")
}
.tokens { font: .875rem/1.9 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 0 0 2px; color: var(--ink); }
.tokens span { padding: 2px 0; border-radius: 3px; }
.tokens .zero { background: none; color: inherit; }
.tokens .peak { outline: 2px solid var(--ink); outline-offset: 0; }
.excerpts { padding: 0; margin: 0; list-style: none; }
.excerpts li { border-top: 1px solid var(--line); padding: 8px 0 4px; }
.source { font-size: .8125rem; color: var(--muted); margin: 0; overflow-wrap: anywhere; }
.source b { color: var(--ink); }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em; white-space: pre-wrap; }
.command { overflow-x: auto; margin: 6px 0 0; padding: 12px 14px; background: var(--paper); border: 1px solid var(--line);
  border-radius: 10px; font-size: .875rem; }
.command code { white-space: pre; }
details { margin-top: 8px; }
summary { cursor: pointer; font-size: .875rem; color: var(--after); padding: 6px 0; }
details.card > summary { font-size: 1rem; font-weight: 600; padding: 0; }
details.card { margin-top: 16px; }
.scroll { overflow: auto; max-height: 26rem; margin-top: 8px; }
table { border-collapse: collapse; font-size: .875rem; min-width: 100%; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
thead th { color: var(--muted); font-weight: 500; position: sticky; top: 0; background: var(--card); }
tbody th, thead th:first-child { text-align: left; }
.wide th, .wide td { text-align: left; }
.wide td { overflow-wrap: anywhere; }
.wide .scroll { max-height: none; }
.scroll + p { margin-top: 12px; }
.gained { color: var(--after); }
.lost { color: var(--cut); }
h3.part { font-size: 1.125rem; margin: 30px 0 12px; }
.study { font-size: .9375rem; }
.study .scroll { max-height: none; }
.study table { font-size: .8125rem; }
.study th, .study td { padding: 4px 7px; white-space: nowrap; }
@media (min-width: 1000px) {
  .part > .grid { grid-template-columns: 5fr 7fr; }
  .part > .grid > :only-child { grid-column: 1 / -1; }
}
.study p + .scroll, .study .scroll + .scroll { margin-top: 12px; }
.notes { padding-left: 1.2em; margin: 12px 0; overflow-wrap: anywhere; }
section > .verdict { margin-bottom: 14px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 8px 0 0; font-size: .9375rem; }
dl dt { color: var(--muted); }
dl dd { margin: 0; overflow-wrap: anywhere; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
footer { color: var(--muted); font-size: .875rem; padding-top: 28px; padding-bottom: 48px; }
#tip { position: fixed; z-index: 2; max-width: min(320px, calc(100vw - 24px)); padding: 7px 11px; border-radius: 8px;
  background: var(--ink); color: var(--paper); font-size: .875rem; line-height: 1.4; pointer-events: none; }
#tip[hidden] { display: none; }
@media (max-width: 560px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 16px; }
  .verdict { padding: 18px 16px 14px; }
  .card { padding: 14px 12px; border-radius: 12px; }
  .facts { gap: 12px 16px; }
  dl.facts { grid-template-columns: 1fr 1fr; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print {
  body { background: none; font-size: 10.5pt; }
  main, header, footer { max-width: none; padding: 0; }
  nav, .skip, #tip { display: none; }
  .card, .verdict { box-shadow: none; break-inside: avoid; }
  .grid { grid-template-columns: 1fr 1fr; }
  h2 { break-after: avoid; }
  .scroll { max-height: none; overflow: visible; }
  .tokens span, .scale span, .swatch { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
