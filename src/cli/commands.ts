/** Every command of the program, in the order of its help. */
import type { Command } from "./command.ts";
import { compare } from "./compare.ts";
import { createCompletion } from "./completion.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { evaluate } from "./eval.ts";
import { info } from "./info.ts";
import { merge } from "./merge.ts";
import { plan } from "./plan.ts";
import { prune } from "./prune.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";
import { score } from "./score.ts";
import { search } from "./search.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { study } from "./study.ts";
import { submit } from "./submit.ts";
import { tasks } from "./tasks.ts";

/** All commands. */
export const commands: readonly Command[] = [
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
  createCompletion(() => commands),
];
