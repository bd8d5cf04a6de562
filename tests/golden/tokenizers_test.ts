/**
 * Token ids of hostile texts are those of the Rust library, under tokenizers of every kind (`tokenizers/record.py`), and
 * those of transformers where the configuration names further tokens (`tokenizers/record_configured.py`).
 */
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

interface Configured {
  readonly text: string;
  readonly tokenizers: readonly {
    readonly name: string;
    readonly file: unknown;
    readonly config: unknown;
    readonly ids: readonly number[];
  }[];
}

async function read<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`./tokenizers/${name}`, import.meta.url), "utf8"));
}

const { texts, models, tokenizers } = await read<Expected>("expected.json");

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

const configured = await read<Configured>("configured.json");

for (const { name, file, config, ids } of configured.tokenizers) {
  Deno.test(`encode() gives the ids of transformers when ${name}`, () => {
    const tokenizer = createTokenizer({
      location: name,
      tokenizer: JSON.stringify(file),
      config: JSON.stringify(config),
    });
    assertEquals([...tokenizer.encode(configured.text, { addSpecialTokens: false })], ids);
  });
}
