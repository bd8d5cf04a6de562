/** Amounts of memory in words, for people. */

/** Writes an amount of memory with a binary unit, such as `512 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const exponent = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** exponent;
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${units[exponent]}`;
}

/**
 * What something takes and what there is for it, which is less: with units where they show that, else in bytes.
 */
export function formatShortage(needed: number, available: number): [needed: string, available: string] {
  const texts: [string, string] = [formatBytes(needed), formatBytes(available)];
  const [a, b] = texts.map((text) => text.replace(".0 ", " "));
  return a === b ? [`${needed} bytes`, `${available} bytes`] : texts;
}
