/** Axes as all charts have them: labels without ticks, and the name of an axis at its end instead of beside it. */
import * as Plot from "@observablehq/plot";

const plain = { fontSize: 13, tickSize: 0, label: null } as const;

/** The horizontal axis. */
export function axisX(options: Plot.AxisXOptions = {}): Plot.Markish {
  return Plot.axisX({ ...plain, ...options });
}

/** The vertical axis. */
export function axisY(options: Plot.AxisYOptions = {}): Plot.Markish {
  return Plot.axisY({ ...plain, ...options });
}

/** A horizontal axis of layers, or of as many other things counted from 0: of many, every fourth has its number. */
export function countedAxisX(count: number): Plot.Markish {
  const isCrowded = count > 24;
  return axisX({
    fontSize: isCrowded ? 9 : 13,
    tickFormat: (place: number) => isCrowded && place % 4 !== 0 ? "" : String(place),
  });
}

/** The name of the horizontal axis, under its right end; needs a bottom margin of 40. */
export function xTitle(text: string, options: Plot.TextOptions = {}): Plot.Markish {
  return Plot.text([text], { frameAnchor: "bottom-right", dy: 36, fontSize: 13, fill: "var(--muted)", ...options });
}

/** The name of the vertical axis, over its upper end; needs a top margin of 24. */
export function yTitle(text: string, marginLeft: number, options: Plot.TextOptions = {}): Plot.Markish {
  const dx = 4 - marginLeft;
  return Plot.text([text], { frameAnchor: "top-left", dx, dy: -22, fontSize: 13, fill: "var(--muted)", ...options });
}

/** The name of a vertical axis of layers, under its lower end; needs a left margin of 36. */
export function layerTitle(): Plot.Markish {
  return Plot.text(["layer"], { frameAnchor: "bottom-left", dx: -34, dy: 36, fontSize: 13, fill: "var(--muted)" });
}
