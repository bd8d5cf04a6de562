/** The chat template of a checkpoint: makes one text of a system prompt and turns, as transformers does. */
import { join } from "node:path";
import { OptionError } from "../text/option_error.ts";
import { type BoundedTemplate, compileBounded, TemplateRefusal } from "./bounded_jinja.ts";
import type { Message } from "./message.ts";
import { isRecord, quote } from "./python_value.ts";
import { readRegularFile } from "./regular_file.ts";
import { MAX_TEMPLATE_LENGTH } from "./template_syntax.ts";
import { readTokenizerSettings } from "./tokenizer_files.ts";
import { specialTokenText } from "./tokenizer_settings.ts";

/** Renders chats of one checkpoint. */
export interface ChatTemplate {
  /** Where it came from, such as the path of `tokenizer_config.json`. */
  readonly file: string;
  /**
   * The text of a chat. A last message of the assistant is the start of the answer and stays open; otherwise the
   * answer's header follows the last message. A template that refuses a system prompt is given none, as in
   * lm-evaluation-harness.
   *
   * @throws {RangeError} If the template fails, drops the start of the answer, or takes too much time or memory.
   */
  render(messages: readonly Message[]): string;
}

/** Which template of a checkpoint. */
export interface ChatTemplateOptions {
  /** Of several named ones; default `default`. */
  readonly name?: string;
}

/** Put behind the start of the answer, to find it in the rendered text. */
const mark = "<<answer goes on here>>";

const specialTokens = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

class LoadedTemplate implements ChatTemplate {
  constructor(
    readonly file: string,
    readonly template: BoundedTemplate,
    readonly tokens: Readonly<Record<string, string>>,
  ) {}

  #run(messages: readonly Message[], addGenerationPrompt: boolean): string {
    const chat = messages.map(({ role, content }) => ({ role, content }));
    const variables = { ...this.tokens, messages: chat, tools: null, documents: null };
    return this.template.render({ ...variables, add_generation_prompt: addGenerationPrompt });
  }

  #renderOnce(messages: readonly Message[]): string {
    const last = messages.at(-1);
    if (last?.role !== "assistant") return this.#run(messages, true);
    const text = this.#run([...messages.slice(0, -1), { ...last, content: `${last.content}${mark} ` }], false);
    const end = text.lastIndexOf(mark);
    if (end < 0 || !text.includes(last.content.trim())) {
      throw new RangeError(`it drops the start of the answer, ${quote(last.content)}`);
    }
    // A template that trims messages trimmed the space behind the mark, and would have trimmed what is before it.
    return text.startsWith(`${mark} `, end) ? text.slice(0, end) : text.slice(0, end).trimEnd();
  }

  render(messages: readonly Message[]): string {
    try {
      try {
        return this.#renderOnce(messages);
      } catch (error) {
        const others = messages.filter(({ role }) => role !== "system");
        if (!(error instanceof TemplateRefusal) || others.length === messages.length) throw error;
        return this.#renderOnce(others);
      }
    } catch (error) {
      throw new RangeError(`Cannot render the chat template of ${this.file}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return new TextDecoder().decode(await readRegularFile(path, 4 * MAX_TEMPLATE_LENGTH));
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new RangeError(`Cannot read ${path} (${code ?? error}): expected a readable template`, { cause: error });
  }
}

/** The source of the template: a file of its own wins over the entry of `tokenizer_config.json`. */
async function findSource(
  folder: string,
  configFile: string,
  entry: unknown,
  name: string | undefined,
): Promise<{ file: string; source: string }> {
  const own = join(
    folder,
    name === undefined || name === "default" ? "chat_template.jinja" : `additional_chat_templates/${name}.jinja`,
  );
  const source = name !== undefined && !/^[\w-]+$/.test(name) ? null : await readIfThere(own);
  if (source !== null) return { file: own, source };
  if (typeof entry === "string" && (name ?? "default") === "default") return { file: configFile, source: entry };
  if (Array.isArray(entry)) {
    const named = new Map(
      entry.flatMap((item) =>
        isRecord(item) && typeof item.name === "string" && typeof item.template === "string"
          ? [[item.name, item.template] as const]
          : []
      ),
    );
    const found = named.get(name ?? "default");
    if (found !== undefined) return { file: configFile, source: found };
    throw new OptionError(
      `Cannot find the chat template ${quote(name ?? "default")} in ${configFile}: it has ${
        [...named.keys()].join(", ")
      }`,
    );
  }
  throw new OptionError(
    `Cannot find ${
      name === undefined ? "a chat template" : `the chat template ${quote(name)}`
    } in ${folder}: expected ` +
      "chat_template.jinja, or chat_template in tokenizer_config.json; base models have none",
  );
}

/**
 * Loads the chat template of a checkpoint folder.
 *
 * @throws {RangeError} If there is none, or none of that name.
 * @throws {SyntaxError} If it cannot be parsed.
 */
export async function loadChatTemplate(folder: string, options: ChatTemplateOptions = {}): Promise<ChatTemplate> {
  const settings = await readTokenizerSettings(folder);
  const { configPath, config } = settings;
  const { file, source } = await findSource(folder, configPath, config.chat_template, options.name);
  const tokens = Object.fromEntries(specialTokens.flatMap((token): [string, string][] => {
    const text = specialTokenText(settings, token);
    return text === null ? [] : [[token, text]];
  }));
  try {
    return new LoadedTemplate(file, compileBounded(source), tokens);
  } catch (error) {
    throw new SyntaxError(`Cannot parse the chat template of ${file}: ${(error as Error).message}`, { cause: error });
  }
}
