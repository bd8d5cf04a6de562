/** The tables the kernels read, as words. */
import type { Param } from "../../../gpu/recorder.ts";
import { VARIANT_WORDS } from "../../../ops/attribution.ts";
import { NONE, ROW_WORDS } from "../../../ops/row_table.ts";

/** Words of values that are unsigned unless marked as f32. */
export function packWords(values: readonly Param[]): Uint32Array {
  const words = new Uint32Array(values.length);
  const floats = new Float32Array(words.buffer);
  values.forEach((value, i) => {
    if (typeof value === "number") words[i] = value;
    else floats[i] = value.f32;
  });
  return words;
}

/** One entry of a layer's row table: what an output row is made of. */
export interface RowEntry {
  /** Row of the inputs it continues. */
  readonly source: number;
  readonly alphaGate: number;
  readonly alphaUp: number;
  readonly alphaDown: number;
  /** Which neurons are silenced, `[H]`; undefined where none is. */
  readonly neurons?: readonly boolean[];
  /** Which output dimensions are silenced, `[D]`; undefined where none is. */
  readonly outputs?: readonly boolean[];
}

/** Words of a row table and of the masks it names; entry `first` is row 0, the entries before it lead nowhere. */
export function packRowTable(entries: readonly RowEntry[], first: number): { rows: Uint32Array; masks: Uint32Array } {
  const masks: number[] = [NONE];
  const store = (silenced: readonly boolean[] | undefined) => {
    if (!silenced) return NONE;
    const at = masks.length;
    for (let word = 0; word * 32 < silenced.length; word++) masks.push(0);
    silenced.forEach((bit, i) => masks[at + (i >>> 5)] |= Number(bit) << (i & 31));
    return at;
  };
  const rows = packWords([
    ...new Array<number>(first * ROW_WORDS).fill(NONE),
    ...entries.flatMap(({ source, alphaGate, alphaUp, alphaDown, neurons, outputs }): Param[] => [
      source,
      { f32: alphaGate },
      { f32: alphaUp },
      { f32: alphaDown },
      store(neurons),
      store(outputs),
      NONE,
      NONE,
    ]),
  ]);
  return { rows, masks: packWords(masks.map((word) => word >>> 0)) };
}

/** One row whose gradient is folded into scores. */
export interface VariantEntry {
  /** Row of g and u. */
  readonly source: number;
  readonly alphaGate: number;
  readonly alphaUp: number;
  /** Quadrature weight. */
  readonly weight: number;
}

/** Words of the variants and of the pairs `[rows, score row]` they belong to, in order. */
export function packVariants(
  variants: readonly VariantEntry[],
  pairs: readonly (readonly [number, number])[],
): { variants: Uint32Array; pairs: Uint32Array } {
  let first = 0;
  return {
    variants: packWords(variants.flatMap((variant): Param[] => {
      const entry = [
        variant.source,
        { f32: variant.alphaGate },
        { f32: variant.alphaUp },
        { f32: variant.weight },
      ];
      if (entry.length !== VARIANT_WORDS) throw new RangeError(`A variant has ${VARIANT_WORDS} words`);
      return entry;
    })),
    pairs: packWords(pairs.flatMap(([rows, scoreRow]) => {
      const entry = [first, rows, scoreRow, 0];
      first += rows;
      return entry;
    })),
  };
}
