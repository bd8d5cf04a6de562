/** What a fuzz target is, and the ways to change inputs that more than one of them wants. */
import { readFile } from "node:fs/promises";
import { projectPath } from "../../cli/program.ts";
import { mutateBytes, mutateJson } from "./mutate.ts";

/** One reader. */
export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  readonly mutate: typeof mutateBytes;
  /** Feeds the reader; throws what it throws. `folder` is a place for files. */
  readonly feed: (bytes: Uint8Array, folder: string) => Promise<unknown>;
  /** How many kinds of outcomes a short run must see; default 6. A reader with one answer to all that is damaged has 2. */
  readonly leastOutcomes?: number;
}

/** A text in UTF-8. */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A file of the project. */
export const projectBytes = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(projectPath(path)));

/** Changes bytes or the JSON tree, as often as not. */
export const either: typeof mutateBytes = (random, bytes, others) =>
  (random.nextBelow(2) === 0 ? mutateBytes : mutateJson)(random, bytes, others);

/** Pieces one after the other. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** The length field of a safetensors file, and what it is the length of. */
function headerOf(bytes: Uint8Array): Uint8Array {
  const length = bytes.length < 8 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return bytes.subarray(8, 8 + length);
}

/** The file with another header, and a length field that fits it. */
function withHeader(bytes: Uint8Array, header: Uint8Array): Uint8Array {
  const out = joined([new Uint8Array(8), header, bytes.subarray(8 + headerOf(bytes).length)]);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  return out;
}

/** A safetensors file whose length field fits whatever became of its header, most of the time. */
export const mutateSafetensors: typeof mutateBytes = (random, bytes, others) => {
  if (random.nextBelow(3) === 0) return mutateBytes(random, bytes, others);
  const header = headerOf(bytes);
  return withHeader(bytes, either(random, header.length === 0 ? bytesOf("{}") : header, others));
};

/** Changes the JSON that an entry of a safetensors file's metadata holds; what is no such file is changed as bytes. */
export function mutateMetadata(...names: readonly string[]): typeof mutateBytes {
  return (random, bytes, others) => {
    const name = names[random.nextBelow(names.length)];
    let header: { readonly __metadata__: Readonly<Record<string, string>> };
    let value: string;
    try {
      header = JSON.parse(new TextDecoder().decode(headerOf(bytes)));
      value = new TextDecoder().decode(mutateJson(random, bytesOf(header.__metadata__[name]), [bytesOf("{}")]));
    } catch {
      return mutateSafetensors(random, bytes, others);
    }
    if (random.nextBelow(4) === 0) return mutateSafetensors(random, bytes, others);
    const text = JSON.stringify({ ...header, __metadata__: { ...header.__metadata__, [name]: value } });
    return withHeader(bytes, bytesOf(text.padEnd(Math.ceil(text.length / 8) * 8)));
  };
}
