/** Runs one command of a list with the terminal around it: help, results, progress, Ctrl-C, errors, exit codes. */
import { formatJson } from "../method/json.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { Command } from "./command.ts";
import type { CommandGroup } from "./commands.ts";
import { describeError, exitCodes, Interrupted, UsageError } from "./errors.ts";
import { EventStream } from "./events.ts";
import { ProgressLine } from "./progress.ts";
import { chooseStyle, plain } from "./style.ts";
import { version } from "./version.ts";
import { StopRequests } from "../serve/stop_requests.ts";

/** The program's own help. */
function programHelp(groups: readonly CommandGroup[]): string {
  const width = Math.max(...groups.flatMap(({ commands }) => commands.map(({ name }) => name.length)));
  const sections = groups.map(({ heading, commands }) =>
    `${heading}:\n${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}\n`
  );
  return "Secateur finds and prunes the neurons of a language model that drive confident but wrong answers.\n\n" +
    `Usage: secateur COMMAND [options]\n\n${sections.join("\n")}\n` +
    "`secateur COMMAND --help` lists the options of a command, with an example. Most people want:\n" +
    "  secateur run --model org/name --task boolq --out out/first\n";
}

function findCommand(commands: readonly Command[], name: string): Command {
  const command = commands.find((command) => command.name === name);
  if (command) return command;
  const names = commands.map((command) => command.name);
  throw new UsageError(
    name.startsWith("-") ? `expected a command before ${name}` : `unknown command ${name}${didYouMean(name, names)}`,
    `the commands are ${names.join(", ")}.`,
  );
}

/** Writes all of a text to stdout; a reader that went away, such as `head`, is no error. */
function print(text: string): void {
  const bytes = new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`);
  try {
    for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function stderrColumns(): number {
  try {
    // Some terminals do not know their size and say 0.
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Whether the stack of an error is wanted; where the environment may not be read, it is not. */
function wantsTrace(): boolean {
  try {
    return Deno.env.has("SECATEUR_TRACE");
  } catch {
    return false;
  }
}

/** Runs the command named by the first argument and resolves to the program's exit code. */
export async function runProgram(groups: readonly CommandGroup[], args: readonly string[]): Promise<number> {
  const commands = groups.flatMap(({ commands }) => commands);
  const progress = new ProgressLine({
    isTerminal: Deno.stderr.isTerminal(),
    columns: stderrColumns(),
    write: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
  });
  let events: EventStream | undefined;
  let command: Command | undefined;
  const controller = new AbortController();
  const requests = new StopRequests();
  const interrupt = () => {
    const request = requests.take();
    // The second Ctrl-C does not wait for the work to stop. Files still appear whole or not at all.
    if (request === "again") Deno.exit(exitCodes.interrupted);
    if (request === "first") controller.abort(new Interrupted(command?.afterInterrupt));
  };
  const report = (error: unknown): number => {
    progress.finish();
    const failure = describeError(error, wantsTrace());
    for (const line of failure.lines) console.error(line);
    events?.error(failure.code, failure.lines);
    return failure.code;
  };
  // An error outside the awaited chain would end the process with Deno's own words and exit code.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(report(event.reason));
  });
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const [name, ...rest] = args;
    if (name === undefined) {
      console.error(programHelp(groups));
      return exitCodes.usage;
    }
    if (name === "--help" || name === "-h" || name === "help") {
      const [about, ...words] = rest.filter((word) => !word.startsWith("-"));
      print(about === undefined ? programHelp(groups) : findCommand(commands, about).help(words));
      return exitCodes.ok;
    }
    if (name === "--version") {
      print(version);
      return exitCodes.ok;
    }
    command = findCommand(commands, name);
    if (rest.includes("--help") || rest.includes("-h")) {
      print(command.help(rest));
      return exitCodes.ok;
    }
    const expanded = await command.expand?.(rest) ?? rest;
    const format = command.check(expanded);
    if (format === "events") events = new EventStream(print);
    const result = await command.execute(expanded, {
      typed: args,
      signal: controller.signal,
      style: format === "text" ? chooseStyle({ isTerminal: Deno.stdout.isTerminal(), noColor: Deno.noColor }) : plain,
      onProgress: (step) => {
        if (events) events.progress(step);
        else progress.update(step);
      },
      note: (line) => {
        progress.finish();
        if (events) events.note(line);
        else console.error(line);
      },
    });
    progress.finish();
    if (events) events.result(result.json);
    else print(format === "json" ? formatJson(result.json) : result.text);
    return result.failure === undefined ? exitCodes.ok : report(result.failure);
  } catch (error) {
    return report(controller.signal.aborted ? controller.signal.reason : error);
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}
