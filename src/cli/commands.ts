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

/** Commands that a person looks for together. */
export interface CommandGroup {
  /** Heading in the program's help. */
  readonly heading: string;
  readonly commands: readonly Command[];
}

/** All commands, as the program's help shows them. */
export const commandGroups: readonly CommandGroup[] = [
  { heading: "First", commands: [doctor, demo, info, tasks, plan] },
  { heading: "The whole job", commands: [run, report, compare, study] },
  { heading: "Its steps", commands: [score, search, prune, evaluate] },
  { heading: "On many machines", commands: [submit, status, merge] },
  { heading: "Around it", commands: [serve, createCompletion(() => commands)] },
];

/** All commands. */
export const commands: readonly Command[] = commandGroups.flatMap(({ commands }) => commands);
