/** YAML from strangers: strict, and in a time that grows with its length. */
import { type DocumentOptions, isScalar, parseDocument, type ParseOptions, type SchemaOptions, visit } from "yaml";

/** Most aliases: each is looked up from the start of the document. */
const MOST_ALIASES = 100;

/** The first key that a mapping has twice. The parser looks for it too, but compares each key with each. */
function repeatedKey(document: ReturnType<typeof parseDocument>): unknown {
  let found: unknown;
  let aliases = 0;
  visit(document, {
    Alias() {
      if (++aliases > MOST_ALIASES) throw new SyntaxError(`more than ${MOST_ALIASES} aliases`);
    },
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

/**
 * The value of a text. What YAML only warns of, such as a tag that nobody knows, is an error.
 *
 * @throws {SyntaxError} If it is malformed, repeats a key or is nested too deeply. The message is meant to follow a
 * colon.
 */
export function parseYaml(text: string, options: ParseOptions & DocumentOptions & SchemaOptions = {}): unknown {
  try {
    const document = parseDocument(text, { ...options, logLevel: "error", uniqueKeys: false });
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    const repeated = repeatedKey(document);
    if (repeated !== undefined) throw new SyntaxError(`the key ${JSON.stringify(repeated)} is there twice`);
    return document.toJS();
  } catch (error) {
    const { message } = error as Error;
    const isDeep = /call stack/.test(message);
    throw new SyntaxError(isDeep ? "it is nested too deeply" : message.trimEnd(), { cause: error });
  }
}
