/** Colour on stdout, where it is a terminal and nobody asked for none. */
import { styleText } from "node:util";

/** A meaning, not a colour: nothing is said by colour alone. */
export type Meaning = "emphasis" | "good" | "bad";

/** Text with the look of its meaning, or as it is. */
export type Style = (meaning: Meaning, text: string) => string;

const looks = { emphasis: ["bold"], good: ["bold", "green"], bad: ["bold", "red"] } as const;

/** Leaves every text as it is. */
export const plain: Style = (_meaning, text) => text;

/** ANSI escapes whatever stdout is; the caller has asked. */
export const coloured: Style = (meaning, text) => styleText([...looks[meaning]], text, { validateStream: false });

/** What fits a stdout. `noColor` is whether `NO_COLOR` is set and not empty (https://no-color.org). */
export function chooseStyle(
  { isTerminal, noColor }: { readonly isTerminal: boolean; readonly noColor: boolean },
): Style {
  return isTerminal && !noColor ? coloured : plain;
}
