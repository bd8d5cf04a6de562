/**
 * JSON that people read: two spaces of indent, lists of plain values and short objects on one line, the same bytes for
 * the same value.
 */

/** A value that JSON can hold; fields that are undefined are left out. */
export type Jsonable =
  | null
  | boolean
  | number
  | string
  | readonly Jsonable[]
  | { readonly [name: string]: Jsonable | undefined };

/**
 * Formats a value, ending with a newline. Fields keep their order.
 *
 * @throws {RangeError} If a number is not finite: JSON would silently make it null.
 */
export function formatJson(value: Jsonable): string {
  return format(value, "", "the value") + "\n";
}

/** Objects longer than this, in characters, get one line per field. */
const lineWidth = 120;

function isPlain(value: Jsonable): boolean {
  return typeof value !== "object" || value === null;
}

function format(value: Jsonable, indent: string, where: string): string {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new RangeError(`Cannot write ${where} as JSON: it is ${value}, expected a finite number`);
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = indent + "  ";
  if (Array.isArray(value)) {
    const parts = value.map((item, index) => format(item, inner, `${where}[${index}]`));
    if (value.every(isPlain)) return `[${parts.join(", ")}]`;
    return `[\n${inner}${parts.join(`,\n${inner}`)}\n${indent}]`;
  }
  const parts = Object.entries(value).flatMap(([name, item]) =>
    item === undefined ? [] : [`${JSON.stringify(name)}: ${format(item, inner, `${where}.${name}`)}`]
  );
  if (parts.length === 0) return "{}";
  const line = `{ ${parts.join(", ")} }`;
  if (Object.values(value).every((item) => item === undefined || isPlain(item)) && line.length <= lineWidth) {
    return line;
  }
  return `{\n${inner}${parts.join(`,\n${inner}`)}\n${indent}}`;
}
