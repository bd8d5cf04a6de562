/** Token ids of hostile texts are those of the Rust library, under tokenizers of every kind (`tokenizers/record.py`). */
import { assertEquals, assertThrows } from "@std/assert";
import { readFile } from "node:fs/promises";
import { createTokenizer } from "../../src/tasks/tokenizer_from.ts";

interface Expected {
  readonly texts: readonly string[];
  readonly models: Readonly<Record<string, unknown>>;
  readonly tokenizers: readonly {
    readonly name: string;
    readonly model: string;
    /** Of each text; null where the library has none. */
    readonly ids: readonly (readonly number[] | null)[];
  }[];
}

const path = new URL("./tokenizers/expected.json", import.meta.url);
const { texts, models, tokenizers }: Expected = JSON.parse(await readFile(path, "utf8"));

for (const { name, model, ids, ...sections } of tokenizers) {
  Deno.test(`encode() gives the ids of the Rust library: ${name}`, () => {
    const tokenizer = createTokenizer({
      location: name,
      tokenizer: JSON.stringify({ ...sections, decoder: null, model: models[model] }),
      config: "{}",
    });
    texts.forEach((text, i) => {
      const encode = () => [...tokenizer.encode(text, { addSpecialTokens: false })];
      if (ids[i] === null) assertThrows(encode, RangeError, "Cannot encode", text);
      else assertEquals(encode(), ids[i], JSON.stringify(text));
    });
  });
}
