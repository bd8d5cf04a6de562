/**
 * `secateur completion`: a script that lets a shell complete commands, options and choices, made from the option
 * tables.
 */
import type { Option, OptionTable } from "./arguments.ts";
import { type Command, defineCommand } from "./command.ts";
import { readSubcommand, refuseFurtherWords } from "./subcommand.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = typeof shells[number];

function choicesOf(option: Option): readonly string[] {
  return option.type === "choice" ? option.choices : [];
}

function names(table: OptionTable): string[] {
  return Object.keys(table).map((name) => `--${name}`);
}

/** Words that are meant as they stand, such as `ls` in `ls | show TASK`. */
function wordsOf({ words = "" }: Command): string[] {
  return words.match(/(?<![\w-])[a-z]+(?![\w-])/g) ?? [];
}

/** A text between single quotes of a POSIX shell; fish reads it alike, since it holds no backslash. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "").replaceAll("'", "’")}'`;
}

/** The words that may follow, and files where they may be anything. zsh runs this through its bash emulation. */
function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const { name, options } = command;
    const choices = Object.entries(options).filter(([, option]) => choicesOf(option).length > 0)
      .map(([option, value]) => `        --${option}) words=${quoted(choicesOf(value).join(" "))} ;;`);
    const withFiles = Object.entries(options).filter(([, { type }]) => type !== "flag" && type !== "choice")
      .map(([option]) => `--${option}`);
    return [
      `    ${name})`,
      `      case $previous in`,
      ...choices,
      ...(withFiles.length > 0 ? [`        ${withFiles.join("|")}) files=yes ;;`] : []),
      `        *) words=${
        quoted([...wordsOf(command), ...names(options)].join(" "))
      }; [[ $current == -* ]] || files=yes ;;`,
      `      esac ;;`,
    ].join("\n");
  });
  return `_secateur() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words='' files=''
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    words=${quoted(commands.map(({ name }) => name).join(" "))}
  else
    case \${COMP_WORDS[1]} in
${cases.join("\n")}
    esac
  fi
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # Names of files may have spaces.
  IFS=$'\\n'
  [[ -z $files ]] || COMPREPLY+=($(compgen -f -- "$current"))
}
complete -o filenames -F _secateur secateur
`;
}

function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c secateur -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.summary)}`,
    ...wordsOf(command).map((word) =>
      `complete -c secateur -n '__fish_seen_subcommand_from ${command.name}' -a ${word}`
    ),
    ...Object.entries(command.options).map(([option, value]) => {
      const argument = value.type === "flag"
        ? ""
        : choicesOf(value).length > 0
        ? ` -x -a ${quoted(choicesOf(value).join(" "))}`
        : " -r";
      return `complete -c secateur -n '__fish_seen_subcommand_from ${command.name}' -l ${option}${argument} -d ${
        quoted(value.description)
      }`;
    }),
  ]);
  return `${lines.join("\n")}\n`;
}

const scripts: Readonly<Record<Shell, (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  zsh: (commands) => `autoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`,
  fish: fishScript,
};

/** The command. `commands` gives all of them, this one included. */
export function createCompletion(commands: () => readonly Command[]): Command {
  return defineCommand({
    name: "completion",
    summary: "Print a script that lets your shell complete commands and options.",
    description:
      "It completes the name `secateur`, however that is made known to the shell: as an alias, a function or a file. Load it in\n" +
      'the file that your shell starts with: `eval "$(secateur completion bash)"`, likewise for zsh, and\n' +
      "`secateur completion fish | source` for fish.",
    example: "completion bash",
    words: shells.join(" | "),
    options: {},
    run(_options, _context, words) {
      const hint = `expected one of ${shells.join(", ")}.`;
      const shell = readSubcommand(words, { what: "shell", choices: shells, hint });
      refuseFurtherWords(words, 1, hint);
      const script = scripts[shell](commands());
      return Promise.resolve({ text: script, json: { shell, script } });
    },
  });
}
