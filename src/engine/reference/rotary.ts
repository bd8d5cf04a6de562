/**
 * Rotary position embedding in the half-split layout: with W/2 frequencies, element i of a head turns together with
 * element i + W/2, and elements from W on do not turn. arXiv:2104.09864
 */
import type { RopeConfig } from "../../checkpoint/model_config.ts";

/** cos and sin, times the attention factor, of every position and pair: `[T, W/2]` each. */
export interface Rotation {
  readonly pairs: number;
  /** K */
  readonly headWidth: number;
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** The rotation of positions 0 to `positions - 1`. */
export function makeRotation(rope: RopeConfig, headWidth: number, positions: number): Rotation {
  const pairs = rope.inverseFrequencies.length;
  const cos = new Float64Array(positions * pairs), sin = new Float64Array(positions * pairs);
  for (let t = 0; t < positions; t++) {
    for (let i = 0; i < pairs; i++) {
      const angle = t * rope.inverseFrequencies[i];
      cos[t * pairs + i] = Math.cos(angle) * rope.attentionFactor;
      sin[t * pairs + i] = Math.sin(angle) * rope.attentionFactor;
    }
  }
  return { pairs, headWidth, cos, sin };
}

/** Turns every head of rows `firstRow` and up of `x` `[T, heads * K]`, in place. */
export function rotate(x: Float64Array, firstRow: number, heads: number, rotation: Rotation): void {
  turn(x, firstRow, heads, rotation, 1);
}

/** Replaces the gradient of {@linkcode rotate}'s result by that of its input, in place: the rotation turned back. */
export function rotateGradient(dx: Float64Array, firstRow: number, heads: number, rotation: Rotation): void {
  turn(dx, firstRow, heads, rotation, -1);
}

function turn(x: Float64Array, firstRow: number, heads: number, rotation: Rotation, sense: 1 | -1): void {
  const { pairs, headWidth, cos, sin } = rotation;
  const width = headWidth * heads;
  for (let t = firstRow; t < x.length / width; t++) {
    for (let head = 0; head < heads; head++) {
      const start = t * width + head * headWidth;
      for (let i = 0; i < pairs; i++) {
        const c = cos[t * pairs + i], s = sense * sin[t * pairs + i];
        const low = x[start + i], high = x[start + pairs + i];
        x[start + i] = low * c - high * s;
        x[start + pairs + i] = high * c + low * s;
      }
    }
  }
}
