/** Tables as text: comma- or tab-separated values after RFC 4180, quotes included. */

/** One record and where it stands. */
export interface DelimitedRecord {
  readonly fields: readonly string[];
  /** Line of its first character, counted from 1. */
  readonly line: number;
}

/**
 * Splits a text into records. Blank lines are skipped; a quoted field may contain delimiters, newlines and doubled
 * quotes.
 *
 * @param delimiter One character, `,` or a tab.
 * @throws {SyntaxError} If a quoted field is not closed, or something follows its closing quote. The message is meant
 * to follow a colon.
 */
export function parseDelimited(text: string, delimiter: string): DelimitedRecord[] {
  const records: DelimitedRecord[] = [];
  let line = 1;
  let at = 0;

  function quoted(): string {
    const start = line;
    let field = "";
    at++;
    while (true) {
      const close = text.indexOf('"', at);
      if (close < 0) throw new SyntaxError(`the quote opened in line ${start} is not closed`);
      const part = text.slice(at, close);
      line += part.split("\n").length - 1;
      field += part;
      at = close + 1;
      if (text[at] !== '"') return field;
      field += '"';
      at++;
    }
  }

  function plain(): string {
    const start = at;
    while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at++;
    return text.slice(start, at);
  }

  while (at < text.length) {
    const record = { fields: [] as string[], line };
    while (true) {
      const isQuoted = text[at] === '"';
      record.fields.push(isQuoted ? quoted() : plain());
      if (text[at] === delimiter) {
        at++;
        continue;
      }
      if (text.startsWith("\r\n", at)) at += 2;
      else if (text[at] === "\n" || text[at] === "\r") at++;
      else if (at < text.length) {
        throw new SyntaxError(`line ${line} has ${JSON.stringify(text[at])} after a closing quote`);
      }
      line++;
      const isBlank = record.fields.length === 1 && record.fields[0] === "" && !isQuoted;
      if (!isBlank) records.push(record);
      break;
    }
  }
  return records;
}
