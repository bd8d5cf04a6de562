/** The entry of the `secateur` program. */
import { compare } from "./compare.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { describeError } from "./errors.ts";
import { evaluate } from "./eval.ts";
import { info } from "./info.ts";
import { merge } from "./merge.ts";
import { plan } from "./plan.ts";
import { runProgram } from "./program.ts";
import { prune } from "./prune.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";
import { score } from "./score.ts";
import { search } from "./search.ts";
import { status } from "./status.ts";
import { study } from "./study.ts";
import { serve } from "./serve.ts";
import { submit } from "./submit.ts";
import { tasks } from "./tasks.ts";
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
  await runProgram(
    [
      run,
      plan,
      score,
      search,
      merge,
      status,
      submit,
      prune,
      evaluate,
      study,
      report,
      compare,
      tasks,
      info,
      doctor,
      demo,
      serve,
    ],
    Deno.args,
  ),
);
