/** What the operator of the service decides, and the environment variables that say it. */

import { OptionError } from "../text/option_error.ts";

/** Settings of the service. */
export interface ServiceSettings {
  /** Folder whose subfolders are the models that jobs may use; null for the bundled demo model alone. */
  readonly modelsFolder: string | null;
  /** Folder that holds one folder for every job; created if need be. */
  readonly jobsFolder: string;
  /** What callers must present; null to answer callers on this machine only. */
  readonly token: string | null;
  /** What computes. */
  readonly engine: "webgpu" | "reference" | "auto";
  /** Device memory to stay under, weights included; null for the engine's default. */
  readonly memoryBudgetBytes: number | null;
  /** Device memory for weights; null for the engine's default. */
  readonly weightBudgetBytes: number | null;
  /** Most jobs that wait. */
  readonly queueLength: number;
  /** Largest body of a request, in bytes. */
  readonly bodyBytes: number;
  /** Seconds in which the body of a request must have come. */
  readonly bodySeconds: number;
  /** Seconds that a job may run. */
  readonly jobSeconds: number;
  /** Seconds that a job has to stop in when it is told to. */
  readonly stopSeconds: number;
  /** Finished jobs that are kept; the oldest are deleted. */
  readonly keptJobs: number;
  /** Most callers that follow events at the same time. */
  readonly followers: number;
}

/** How a setting is read from its variable. */
interface Variable {
  readonly name: string;
  /** One sentence without the default. */
  readonly description: string;
  /** As it is written in the documentation. */
  readonly default: string;
}

/** Fewest characters of a token: what is shorter can be guessed. */
const shortestToken = 16;

/** The variables of every setting, in the order in which they are documented. */
export const variables: { readonly [Name in keyof ServiceSettings]: Variable } = {
  modelsFolder: {
    name: "SECATEUR_MODELS",
    description: "Folder whose subfolders (NAME or ORG/NAME) are the models that jobs may use.",
    default: "the bundled demo model alone",
  },
  jobsFolder: {
    name: "SECATEUR_JOBS",
    description: "Folder for the jobs; one service at a time uses it.",
    default: "out/service",
  },
  token: {
    name: "SECATEUR_TOKEN",
    description: `What callers must present as a bearer token, at least ${shortestToken} characters.`,
    default: "none: callers on this machine only",
  },
  engine: {
    name: "SECATEUR_ENGINE",
    description: "webgpu, reference, or auto: the reference engine where there is no adapter.",
    default: "auto",
  },
  memoryBudgetBytes: {
    name: "SECATEUR_MEMORY_BUDGET_BYTES",
    description: "Device memory to stay under, weights included.",
    default: "what the weights take, and 1 GiB",
  },
  weightBudgetBytes: {
    name: "SECATEUR_WEIGHT_BUDGET_BYTES",
    description: "Device memory for weights; where they need more, layers are streamed from disk.",
    default: "three quarters of the memory budget if that is given, else all they need",
  },
  queueLength: { name: "SECATEUR_QUEUE", description: "Most jobs that wait; further ones get 429.", default: "16" },
  bodyBytes: {
    name: "SECATEUR_BODY_BYTES",
    description: "Largest body of a request; a larger one gets 413.",
    default: "4194304",
  },
  bodySeconds: {
    name: "SECATEUR_BODY_SECONDS",
    description: "Seconds in which a body must have come; a slower one gets 408.",
    default: "30",
  },
  jobSeconds: {
    name: "SECATEUR_JOB_SECONDS",
    description: "Seconds that a job may run; a longer one fails and keeps what it has found.",
    default: "86400",
  },
  stopSeconds: {
    name: "SECATEUR_STOP_SECONDS",
    description:
      "Seconds that a job has to stop in when it is cancelled; after them the service calls itself unhealthy.",
    default: "60",
  },
  keptJobs: {
    name: "SECATEUR_KEPT_JOBS",
    description: "Finished jobs that are kept; the oldest are deleted.",
    default: "1000",
  },
  followers: {
    name: "SECATEUR_FOLLOWERS",
    description: "Most callers that follow events at the same time; further ones get 503.",
    default: "2000",
  },
};

/**
 * Reads the settings.
 *
 * @param read The value of a variable; undefined or empty where it is not set. It is asked for the listed names only.
 * @throws {OptionError} If a value is out of its range, or does not go with another one.
 */
export function settingsFrom(read: (name: string) => string | undefined): ServiceSettings {
  const given = (setting: keyof ServiceSettings) => read(variables[setting].name) || undefined;
  const refuse = (setting: keyof ServiceSettings, value: string, expected: string): never => {
    throw new OptionError(
      `Cannot serve with ${variables[setting].name}=${JSON.stringify(value)}: expected ${expected}`,
    );
  };
  const whole = (setting: keyof ServiceSettings, text: string, least: number, most: number): number => {
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || value < least || value > most) {
      refuse(setting, text, `a whole number from ${least} to ${most}`);
    }
    return value;
  };
  const count = (setting: keyof ServiceSettings, least: number, most: number) =>
    whole(setting, given(setting) ?? variables[setting].default, least, most);
  const engine = given("engine") ?? variables.engine.default;
  if (engine !== "webgpu" && engine !== "reference" && engine !== "auto") {
    throw refuse("engine", engine, "webgpu, reference or auto");
  }
  const budget = (setting: keyof ServiceSettings): number | null => {
    const text = given(setting);
    if (text === undefined) return null;
    if (engine === "reference") refuse(setting, text, `none with ${variables.engine.name}=reference`);
    return whole(setting, text, 1, Number.MAX_SAFE_INTEGER);
  };
  const token = given("token") ?? null;
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new OptionError(`Cannot serve with this ${variables.token.name}: expected printable ASCII without spaces`);
  }
  if (token !== null && token.length < shortestToken) {
    throw new OptionError(
      `Cannot serve with a ${variables.token.name} of ${token.length} characters: expected at least ${shortestToken}`,
    );
  }
  const [memoryBudgetBytes, weightBudgetBytes] = [budget("memoryBudgetBytes"), budget("weightBudgetBytes")];
  if (memoryBudgetBytes !== null && weightBudgetBytes !== null && weightBudgetBytes > memoryBudgetBytes) {
    throw refuse("weightBudgetBytes", `${weightBudgetBytes}`, `at most ${variables.memoryBudgetBytes.name}`);
  }
  const day = 86_400;
  return {
    modelsFolder: given("modelsFolder") ?? null,
    jobsFolder: given("jobsFolder") ?? variables.jobsFolder.default,
    token,
    engine,
    memoryBudgetBytes,
    weightBudgetBytes,
    queueLength: count("queueLength", 0, 10_000),
    bodyBytes: count("bodyBytes", 1024, 1 << 30),
    bodySeconds: count("bodySeconds", 1, 3600),
    jobSeconds: count("jobSeconds", 1, 365 * day),
    stopSeconds: count("stopSeconds", 1, day),
    keptJobs: count("keptJobs", 1, 100_000),
    followers: count("followers", 1, 100_000),
  };
}
