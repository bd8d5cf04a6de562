/** Rotary position embedding behind a bias and a head norm, in float64.  arXiv:2104.09864 */
import { norm, normGradient } from "./norm.ts";

/** What happens to the heads of a row. */
export interface RopeFormula {
  readonly heads: number;
  /** The first so many heads are normed and rotated, the others only get their bias. */
  readonly rotated: number;
  /** K */
  readonly width: number;
  /** W, elements of a head that are rotated, from the first. */
  readonly turned: number;
  /** `[heads * K]`, or undefined. */
  readonly bias?: Float64Array | undefined;
  /** Weight of the head norm `[K]`, or undefined. */
  readonly norm?: Float64Array | undefined;
  readonly epsilon: number;
  /** cos and sin of the angle of pair i (elements i and i + W/2) at a position. */
  readonly turn: (position: number, pair: number) => { readonly cos: number; readonly sin: number };
}

/** rope(norm(x + bias)), shapes `[T, heads * K]`. */
export function rope(x: Float64Array, positions: readonly number[], formula: RopeFormula): Float64Array {
  return mapHeads(x, formula, (head, index, row) => {
    const biased = addBias(head, index, formula);
    if (index >= formula.rotated) return biased;
    const normed = formula.norm ? norm(biased, formula.norm, formula.epsilon) : biased;
    return rotate(normed, formula.turned, (pair) => formula.turn(positions[row], pair));
  });
}

/** Gradient of Σ d rope(x) with respect to x. */
export function ropeGradient(
  x: Float64Array,
  d: Float64Array,
  positions: readonly number[],
  formula: RopeFormula,
): Float64Array {
  const { heads, width } = formula;
  return mapHeads(d, formula, (head, index, row) => {
    if (index >= formula.rotated) return head;
    // The transpose of a rotation turns the other way.
    const back = rotate(head, formula.turned, (pair) => {
      const { cos, sin } = formula.turn(positions[row], pair);
      return { cos, sin: -sin };
    });
    if (!formula.norm) return back;
    const at = (row * heads + index) * width;
    return normGradient(addBias(x.subarray(at, at + width), index, formula), back, formula.norm, formula.epsilon);
  });
}

function mapHeads(
  values: Float64Array,
  { heads, width }: RopeFormula,
  change: (head: Float64Array, index: number, row: number) => Float64Array,
): Float64Array {
  const out = new Float64Array(values.length);
  for (let i = 0; i * width < values.length; i++) {
    out.set(change(values.subarray(i * width, (i + 1) * width), i % heads, Math.floor(i / heads)), i * width);
  }
  return out;
}

function addBias(head: Float64Array, index: number, { bias, width }: RopeFormula): Float64Array {
  return bias ? head.map((value, i) => value + bias[index * width + i]) : head;
}

function rotate(
  head: Float64Array,
  turned: number,
  turn: (pair: number) => { cos: number; sin: number },
): Float64Array {
  const half = turned / 2;
  return head.map((value, i) => {
    if (i >= turned) return value;
    const { cos, sin } = turn(i % half);
    return i < half ? value * cos - head[i + half] * sin : value * cos + head[i - half] * sin;
  });
}
