/**
 * What runs in the page, as text: numbers at the pointer and the focus, arrow keys inside a chart, tables open in
 * print. Without it the page says the same, in its tables.
 */

/** JavaScript text. */
export const script = `
"use strict";
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);

let shown = null;
function show(mark) {
  shown = mark;
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const at = mark.getBoundingClientRect(), box = tip.getBoundingClientRect(), edge = 8;
  const left = at.left + at.width / 2 - box.width / 2;
  const above = at.top - box.height - edge;
  tip.style.left = Math.max(edge, Math.min(left, document.documentElement.clientWidth - box.width - edge)) + "px";
  tip.style.top = (above < edge ? at.bottom + edge : above) + "px";
}
function hide() { shown = null; tip.hidden = true; }
// Moving the focus may scroll, so the number follows its mark.
function follow() { if (shown) show(shown); }

const markAt = (event) => event.target instanceof Element ? event.target.closest(".tip") : null;
addEventListener("pointerover", (event) => { const mark = markAt(event); if (mark) show(mark); });
addEventListener("pointerout", (event) => { if (markAt(event)) hide(); });
addEventListener("focusin", (event) => { const mark = markAt(event); if (mark) show(mark); else hide(); });
addEventListener("focusout", hide);
addEventListener("scroll", follow, { passive: true, capture: true });
addEventListener("resize", follow);

const middle = (mark) => {
  const { left, top, width, height } = mark.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
};
function neighbour(marks, from, key) {
  const along = key === "ArrowLeft" || key === "ArrowRight" ? "x" : "y";
  const across = along === "x" ? "y" : "x";
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  const start = middle(from);
  let best = null, least = Infinity;
  for (const mark of marks) {
    const place = middle(mark), ahead = sign * (place[along] - start[along]);
    const distance = ahead + 4 * Math.abs(place[across] - start[across]);
    if (ahead > 0.5 && distance < least) { best = mark; least = distance; }
  }
  return best;
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hide();
  const mark = markAt(event);
  if (!mark || event.altKey || event.ctrlKey || event.metaKey) return;
  const marks = [...mark.closest("svg").querySelectorAll(".tip")], place = marks.indexOf(mark);
  let next = null;
  if (event.key === "Home") next = marks[0];
  else if (event.key === "End") next = marks[marks.length - 1];
  else if (event.key.startsWith("Arrow")) {
    const step = event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1;
    next = neighbour(marks, mark, event.key) ?? (neighbour(marks, mark, { ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight",
      ArrowLeft: "ArrowUp", ArrowRight: "ArrowDown" }[event.key]) ? marks[place + step] : null);
  } else return;
  event.preventDefault();
  if (!next || next === mark) return;
  mark.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
});

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
`;
