/** What a command of the program is: a table of options, and a function from their values to results. */
import type { Progress } from "../engine/engine.ts";
import type { Jsonable } from "../method/json.ts";
import type { CommandError } from "./errors.ts";
import { refuseClashes, withoutRefused } from "./option_rules.ts";
import {
  describeOptions,
  describeRequired,
  type OptionTable,
  type OptionValues,
  parseGivenOptions,
  wrapParagraphs,
} from "./arguments.ts";
import type { Style } from "./style.ts";

/** What a command may use of its surroundings. */
export interface CommandContext {
  /** The arguments as typed, the command's name included. */
  readonly typed: readonly string[];
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Colours parts of the result's text, where stdout takes colour. */
  readonly style: Style;
  /** Says something on stderr that the person must know and that is not a result. */
  readonly note: (line: string) => void;
}

/** The results of a command: the same facts for a person and for a program. */
export interface CommandResult {
  readonly text: string;
  readonly json: Jsonable;
  /** What is wrong all the same: said after the results, and the program then fails. */
  readonly failure?: CommandError;
}

/** The parts of a command that its file writes down. */
export interface CommandDefinition<T extends OptionTable> {
  readonly name: string;
  /** One line for the program's own help. */
  readonly summary: string;
  /** A paragraph for the command's help. */
  readonly description: string;
  /** What else its help says, behind the options. */
  readonly details?: string;
  /** A command line that works, after `secateur `. */
  readonly example: string;
  /** What `--json` prints, for the help. Default: `the results`. */
  readonly results?: string;
  /** What may stand between name and options, for the help, such as `ls | show TASK`; absent where nothing may. */
  readonly words?: string;
  /** How to go on after Ctrl-C, for commands that can. */
  readonly afterInterrupt?: string;
  readonly options: T;
  /** @param words What stands there. */
  run(options: OptionValues<T>, context: CommandContext, words: readonly string[]): Promise<CommandResult>;
}

/** A command as the program sees it, whatever its options are. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** As in its definition. */
  readonly words?: string | undefined;
  /** As in its definition. */
  readonly afterInterrupt?: string | undefined;
  /** All its options, those that every command has included. */
  readonly options: OptionTable;
  /** @param args What was typed behind the name: of a subcommand, only what may be given with it is listed. */
  help(args?: readonly string[]): string;
  /** The arguments with those of a file that they name; absent where a command takes no file of options. */
  expand?(args: readonly string[]): Promise<string[]>;
  /**
   * Understands the arguments without carrying anything out.
   *
   * @returns How the results are wanted.
   * @throws {UsageError} If the arguments cannot be understood.
   */
  check(args: readonly string[]): OutputFormat;
  /** @throws {UsageError} If the arguments cannot be understood. */
  execute(args: readonly string[], context: CommandContext): Promise<CommandResult>;
}

/** Text for a person, one JSON document, or a stream of events. */
export type OutputFormat = "text" | "json" | "events";

/**
 * What every command has.
 *
 * @param results What `--json` prints.
 */
function commonOptions(results: string) {
  return {
    json: { type: "flag", description: `Print ${results} as JSON.` },
    events: { type: "flag", description: "Print progress and results as they come, one JSON object a line." },
    help: { type: "flag", description: "Print this help." },
  } as const satisfies OptionTable;
}

type CommonOptions = ReturnType<typeof commonOptions>;

/** Makes a command; every command has `--json` and `--help`. */
export function defineCommand<const T extends OptionTable>(definition: CommandDefinition<T>): Command {
  const { name, summary, description, example } = definition;
  const table: T & CommonOptions = {
    ...definition.options,
    ...commonOptions(definition.results ?? "the results"),
  };
  const parse = (args: readonly string[], words: string[]) => {
    const { values, given } = parseGivenOptions(name, table, args, definition.words ? words : undefined);
    refuseClashes({ command: name, table, words, values, given });
    return values;
  };
  return {
    name,
    summary,
    words: definition.words,
    afterInterrupt: definition.afterInterrupt,
    options: table,
    check(args) {
      const { json, events } = parse(args, []) as OptionValues<CommonOptions>;
      return events ? "events" : json ? "json" : "text";
    },
    help(args = []) {
      const forms = definition.words?.replace(/^\((.*)\)$/, "$1").split(" | ") ?? [];
      const form = forms.length > 1 ? forms.find((form) => form.split(" ")[0] === args[0]) : undefined;
      const listed = form === undefined ? table : withoutRefused(name, args[0], table);
      const words = form ?? definition.words;
      const usage = ["secateur", name, words, describeRequired(listed), "[options]"].filter(Boolean).join(" ");
      const { details } = definition;
      return [
        summary,
        wrapParagraphs(description),
        `Usage: ${usage}`,
        describeOptions(listed),
        ...(details === undefined ? [] : [wrapParagraphs(details)]),
        `Example:\n  secateur ${example}\n`,
      ].join("\n\n");
    },
    async execute(args, context) {
      const words: string[] = [];
      const options = parse(args, words) as unknown as OptionValues<T>;
      return await definition.run(options, context, words);
    },
  };
}
