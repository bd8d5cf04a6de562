/** YAML from strangers: strict, and in a time that grows with its length. */
import {
  type Document,
  type DocumentOptions,
  isScalar,
  LineCounter,
  parseDocument,
  type ParseOptions,
  type SchemaOptions,
  type Tags,
  visit,
  type YAMLError,
} from "yaml";

/** Most aliases: each is looked up from the start of the document. */
const MOST_ALIASES = 100;

/** How to read a text. */
export interface YamlOptions {
  /** Version of YAML where the text does not name one. Default: 1.2. */
  readonly version?: "1.1" | "1.2";
  /** Further tags. */
  readonly tags?: Tags;
  /**
   * Whether the last of two keys wins, as in Python, and a tag that nobody knows is left out. Default: both are errors.
   */
  readonly isLenient?: boolean;
}

/** A mapping in order: the parser compares each key with each, and nobody who is read here needs one. */
const orderedMapping = {
  tag: "tag:yaml.org,2002:omap",
  collection: "seq" as const,
  resolve(value: unknown, fail: (message: string) => void) {
    fail("The tag !!omap is not supported");
    return value;
  },
};

/** The first key that a mapping has twice. The parser looks for it too, but compares each key with each. */
function repeatedKey(document: Document.Parsed): unknown {
  let found: unknown;
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.size < seen.add(name).size) continue;
        found = name;
        return visit.BREAK;
      }
    },
  });
  return found;
}

function checkAliases(document: Document.Parsed): void {
  let aliases = 0;
  visit(document, {
    Alias() {
      if (++aliases > MOST_ALIASES) throw new SyntaxError(`more than ${MOST_ALIASES} aliases`);
    },
  });
}

/** Says where a problem is. The parser would do it for every problem, and cut the line out of the text each time. */
function locate({ message, pos: [start] }: YAMLError, text: string, lines: LineCounter): string {
  const { line, col } = lines.linePos(start);
  const from = Math.max(start - col + 1, start - 39);
  const shown = text.slice(from, from + 79).split(/[\r\n]/)[0];
  const pointer = " ".repeat(start - from) + "^";
  return `${message} at line ${line}, column ${col}` + (shown.trim() === "" ? "" : `:\n\n${shown}\n${pointer}`);
}

/**
 * The value of a text. What YAML only warns of, such as a tag that nobody knows, is an error.
 *
 * @throws {SyntaxError} If it is malformed, repeats a key, has more than 100 aliases or is nested too deeply. The
 * message is meant to follow a colon.
 */
export function parseYaml(text: string, { version, tags = [], isLenient = false }: YamlOptions = {}): unknown {
  const lineCounter = new LineCounter();
  const options: ParseOptions & DocumentOptions & SchemaOptions = {
    ...(version && { version }),
    customTags: (known) => [
      ...known.filter((tag) => typeof tag === "string" || tag.tag !== orderedMapping.tag),
      orderedMapping,
      ...tags,
    ],
    logLevel: "error",
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter,
  };
  try {
    const document = parseDocument(text, options);
    const problem = document.errors[0] ?? (isLenient ? undefined : document.warnings[0]);
    if (problem) throw new SyntaxError(locate(problem, text, lineCounter), { cause: problem });
    checkAliases(document);
    const repeated = isLenient ? undefined : repeatedKey(document);
    if (repeated !== undefined) throw new SyntaxError(`the key ${JSON.stringify(repeated)} is there twice`);
    return document.toJS();
  } catch (error) {
    const { message } = error as Error;
    const isDeep = /call stack/.test(message);
    throw new SyntaxError(isDeep ? "it is nested too deeply" : message.trimEnd(), { cause: error });
  }
}
