/** Random changes to bytes and to JSON: what a fuzz run feeds to what reads them. */
import type { Random } from "../../../src/tasks/random.ts";

/** Values that programs stumble over. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 53,
  "",
  "__proto__",
  "constructor",
  "../x",
  "\0",
  "\ud800",
  "x".repeat(1000),
  [],
  {},
  [[]],
  [null],
  { a: 1 },
];

/** Pieces of text that mean something to some reader. */
const PIECES: readonly string[] = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\n",
  "\r\n",
  "\0",
  "\ufeff",
  "é",
  "😀",
  "- ",
  "&a ",
  "*a",
  "!!python/object:x ",
  "{{",
  "}}",
  "{%",
  "%}",
  "1e999",
  "-0",
  "null",
  "true",
  "__proto__",
  '"__metadata__"',
];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.nextBelow(list.length)];
}

/** Changes bytes in one to four places: flips, cuts, copies, pieces of other inputs, meaningful text. */
export function mutateBytes(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let out = bytes.slice();
  for (let left = 1 + random.nextBelow(4); left > 0; left--) {
    const at = random.nextBelow(out.length + 1);
    const length = random.nextBelow(Math.min(64, out.length - at) + 1);
    const splice = (from: number, until: number, insert: Uint8Array) => {
      const next = new Uint8Array(from + insert.length + out.length - until);
      next.set(out.subarray(0, from));
      next.set(insert, from);
      next.set(out.subarray(until), from + insert.length);
      out = next;
    };
    const nothing = new Uint8Array(0);
    switch (random.nextBelow(7)) {
      case 0:
        if (at < out.length) out[at] ^= 1 << random.nextBelow(8);
        break;
      case 1:
        if (at < out.length) out[at] = random.nextBelow(256);
        break;
      case 2:
        splice(at, at + length, nothing);
        break;
      case 3:
        splice(at, at, out.slice(at, at + length));
        break;
      case 4:
        splice(at, at, new TextEncoder().encode(pick(random, PIECES)));
        break;
      case 5: {
        const other = pick(random, others);
        const from = random.nextBelow(other.length + 1);
        splice(at, at + length, other.subarray(from, from + random.nextBelow(64)));
        break;
      }
      default:
        // Digits are what sizes and offsets are made of.
        out = out.map((byte) =>
          byte >= 48 && byte <= 57 && random.nextBelow(16) === 0 ? 48 + random.nextBelow(10) : byte
        );
    }
    if (out.length > 200_000) out = out.slice(0, 200_000);
  }
  return out;
}

/** Changes the tree of a JSON text in one to three places; bytes that are no JSON are changed as bytes. */
export function mutateJson(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let root: unknown;
  try {
    root = { root: JSON.parse(new TextDecoder().decode(bytes)) };
  } catch {
    return mutateBytes(random, bytes, others);
  }
  for (let left = 1 + random.nextBelow(3); left > 0; left--) change(random, root as Record<string, unknown>);
  const text = JSON.stringify((root as { root: unknown }).root) ?? "null";
  return new TextEncoder().encode(text);
}

/** Walks down at random and changes what is there. */
function change(random: Random, root: Record<string, unknown>): void {
  let parent: Record<string, unknown> | unknown[] = root;
  let key: string | number = "root";
  const at = () => (parent as Record<string | number, unknown>)[key];
  for (let depth = 0; depth < 12; depth++) {
    const value = at();
    if (typeof value !== "object" || value === null || (depth > 0 && random.nextBelow(4) === 0)) break;
    const keys = Object.keys(value);
    if (keys.length === 0) break;
    parent = value as typeof parent;
    key = pick(random, keys);
  }
  const target = parent as Record<string | number, unknown>;
  const value = at();
  switch (random.nextBelow(6)) {
    case 0:
      if (key !== "root") {
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete target[key];
      }
      break;
    case 1:
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(value));
      else target[pick(random, [`${key}x`, "__proto__x", "type", "length"])] = structuredClone(value);
      break;
    case 2:
      if (typeof value === "number") target[key] = pick(random, [value + 1, value - 1, -value, value * 2, value / 2]);
      else if (typeof value === "string") target[key] = value + pick(random, PIECES);
      else target[key] = structuredClone(pick(random, VALUES));
      break;
    case 3:
      if (Array.isArray(value)) target[key] = value.concat(value).slice(0, 2000);
      else target[key] = [value];
      break;
    default:
      target[key] = structuredClone(pick(random, VALUES));
  }
}
