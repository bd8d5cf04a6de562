/** The tokenizer that one job leaves to the next: loading one goes through its whole vocabulary. */
import { loadTokenizer, type Tokenizer, tokenizerFiles } from "../tasks/tokenizer.ts";
import { filesVersion } from "./files_version.ts";

/** The tokenizer that was used last. It may be large, so there is never a second one. */
export class TokenizerMemo {
  #last: { readonly folder: string; readonly version: string; readonly tokenizer: Tokenizer } | null = null;

  /**
   * The tokenizer in a folder, loaded anew unless it was the last one and its files are those of last time.
   *
   * @throws As `loadTokenizer`.
   */
  async load(folder: string): Promise<Tokenizer> {
    const version = await filesVersion(folder, tokenizerFiles);
    if (this.#last?.folder === folder && this.#last.version === version) return this.#last.tokenizer;
    // Before the other one takes its memory.
    this.#last = null;
    const tokenizer = await loadTokenizer(folder);
    // What was loaded is of that version only if the files were of it before and after.
    if (await filesVersion(folder, tokenizerFiles) === version) this.#last = { folder, version, tokenizer };
    return tokenizer;
  }
}
