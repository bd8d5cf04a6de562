/** The entry of the `secateur` program. */
import { commandGroups } from "./commands.ts";
import { describeError } from "./errors.ts";
import { runProgram } from "./program.ts";
import { webgpuEnvironment } from "./webgpu_environment.ts";

try {
  // Before the first adapter is asked for: drivers are looked for once.
  for (const [name, value] of Object.entries(webgpuEnvironment())) Deno.env.set(name, value);
} catch (error) {
  const { code, lines } = describeError(error);
  for (const line of lines) console.error(line);
  Deno.exit(code);
}

Deno.exit(
  await runProgram(commandGroups, Deno.args),
);
