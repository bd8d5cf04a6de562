/** Numbers as reports write them. The minus sign is a real one, and a number does not break over a line. */

/** Stands before negative numbers. */
const minus = "\u2212";
const space = "\u00a0";

/** A number with so many decimals. */
export function decimal(value: number | null, decimals: number): string {
  if (value === null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${minus}∞`;
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", minus);
}

/** A number with so many significant digits; powers of ten where it is very large or small. */
export function significant(value: number | null, digits = 3): string {
  if (value === null || !Number.isFinite(value)) return decimal(value, 0);
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -3 || exponent > 5) {
    const [mantissa, power] = value.toExponential(Math.max(0, digits - 1)).split("e");
    return `${mantissa.replace("-", minus)}e${Number(power)}`.replace("e-", `e${minus}`);
  }
  return String(Number(value.toPrecision(digits))).replace("-", minus);
}

/** A share of 1 in percent, such as `87.1 %`. */
export function percent(share: number | null, decimals = 1): string {
  return share === null || !Number.isFinite(share) ? "–" : `${decimal(100 * share, decimals)}${space}%`;
}

/** A fraction of a layer, without decimals that say nothing: `15 %`, `2.5 %`. */
export function fractionPercent(fraction: number): string {
  return `${+(100 * fraction).toFixed(2)}${space}%`;
}

/** A difference of shares in percentage points, with its sign: `+12.9`. */
export function points(difference: number, decimals = 1): string {
  const text = decimal(100 * difference, decimals);
  return difference > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** `1 neuron`, `2 neurons`, `1,234 neurons`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)}${space}${count === 1 ? noun : plural}`;
}

/** A whole number with thousands separated. */
export function grouped(count: number): string {
  return Math.round(count).toString().replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** Wall time: `0.51 s`, `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${+seconds.toPrecision(seconds < 10 ? 2 : 3)}${space}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${space}min ${whole % 60}${space}s`;
  return `${Math.floor(whole / 3600)}${space}h ${Math.floor((whole % 3600) / 60)}${space}min`;
}

/** An amount with a decimal unit, such as `16.7 GFLOP`. */
export function amount(value: number, unit: string): string {
  const prefixes = ["", "k", "M", "G", "T", "P", "E"];
  const exponent = value < 1 ? 0 : Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3));
  return `${+(value / 1000 ** exponent).toPrecision(3)}${space}${prefixes[exponent]}${unit}`;
}

/** Bytes with a binary unit, such as `51.6 MiB`. */
export function bytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const exponent = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  return `${+(count / 1024 ** exponent).toFixed(1)}${space}${units[exponent]}`;
}
