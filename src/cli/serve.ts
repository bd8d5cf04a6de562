/** `secateur serve`: the service, with its settings as options. */
import { type ServiceSettings, settingsFrom, variables } from "../serve/settings.ts";
import { signalExitCodes, StopRequests, type StopSignal, stopSignals } from "../serve/stop_requests.ts";
import { defineCommand } from "./command.ts";
import { CommandError, Interrupted } from "./errors.ts";
import { budgetOptions, engineOptions } from "./options.ts";
import { version } from "./version.ts";

/** Every variable of the service, for the help. */
const variableHelp = Object.values(variables)
  .map(({ name, description, default: value }) => `  ${name}\n      ${description} Default: ${value}.`)
  .join("\n");

/** Starts the server. */
function listen(
  options: Deno.ServeTcpOptions,
  handler: (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve(options, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new CommandError(`port ${options.port} of ${options.hostname} is in use`, "name another one with --port.");
  }
}

/**
 * Waits for Ctrl-C, of which the program takes care, or for a supervisor's SIGTERM, of which a second one ends the
 * process at once.
 */
function stopSignal(interrupted: AbortSignal): Promise<StopSignal> {
  const { promise, resolve } = Promise.withResolvers<StopSignal>();
  interrupted.addEventListener("abort", () => resolve("SIGINT"));
  if (stopSignals.includes("SIGTERM")) {
    const requests = new StopRequests();
    Deno.addSignalListener("SIGTERM", () => {
      if (requests.take() === "again") Deno.exit(signalExitCodes.SIGTERM);
      resolve("SIGTERM");
    });
  }
  return promise;
}

export const serve = defineCommand({
  name: "serve",
  summary: "Answer requests for jobs over HTTP, with a web page.",
  description:
    "Runs one job after the other, in Workers, and keeps them in a folder: jobs survive a restart. Ctrl-C and SIGTERM stop\n" +
    "the job that runs, and it goes on when the service is started again. The same service runs under\n" +
    "`deno serve --host 127.0.0.1 src/serve/main.ts`. docs/service.md describes the API.",
  details: `Environment, overridden by options:\n${variableHelp}`,
  results: "how it was stopped, at the end,",
  example: "serve --port 8000 --jobs out/service",
  options: {
    port: { type: "integer", min: 0, max: 65535, default: 8000, description: "TCP port; 0 for any free one." },
    host: {
      type: "text",
      placeholder: "NAME",
      default: "127.0.0.1",
      description: "Address to listen on; 0.0.0.0 for all, with SECATEUR_TOKEN set.",
    },
    models: { type: "text", placeholder: "DIR", description: "Folder of models, instead of SECATEUR_MODELS." },
    jobs: { type: "text", placeholder: "DIR", description: "Folder of jobs, instead of SECATEUR_JOBS." },
    queue: { type: "integer", min: 0, max: 10_000, description: "Most waiting jobs, instead of SECATEUR_QUEUE." },
    engine: {
      type: "choice",
      choices: [...engineOptions.engine.choices, "auto"],
      description: "What computes, instead of SECATEUR_ENGINE.",
    },
    ...budgetOptions,
  },
  run: async (options, { signal, note }) => {
    const given: Partial<Record<keyof ServiceSettings, string | number | undefined>> = {
      modelsFolder: options.models,
      jobsFolder: options.jobs,
      queueLength: options.queue,
      engine: options.engine,
      memoryBudgetBytes: options["memory-budget"],
      weightBudgetBytes: options["weight-budget"],
    };
    const texts = new Map(
      Object.entries(given).map(([name, value]) => [variables[name as keyof ServiceSettings].name, value?.toString()]),
    );
    const settings = settingsFrom((name) => texts.get(name) ?? Deno.env.get(name));
    // Loaded now: no other command needs the server's libraries.
    const { openService } = await import("../serve/app.ts");
    const service = await openService({
      settings,
      version,
      onError: (error) => note(error instanceof Error ? `Error: ${error.stack}` : `Error: ${error}`),
    });
    let stopped: StopSignal | void;
    try {
      const server = listen({
        port: options.port,
        hostname: options.host,
        onListen: ({ hostname, port }) => {
          const name = hostname.includes(":") ? `[${hostname}]` : hostname;
          note(`Secateur ${version} serves http://${name}:${port}/ with jobs in ${settings.jobsFolder}`);
          if (settings.token === null) note("Only callers on this machine are answered: SECATEUR_TOKEN is not set.");
        },
      }, (request, { remoteAddr }) => service.fetch(request, { remoteAddr }));
      stopped = await Promise.race([stopSignal(signal), server.finished]);
      // Followers' streams would hold an orderly shutdown up; they resume.
      server.shutdown().catch(() => {});
    } finally {
      await service.close();
    }
    // Ending when it is asked to is what a supervisor wants of a service: nothing has gone wrong.
    if (stopped === "SIGTERM") return { text: "The service has ended as it was asked to.\n", json: { stopped } };
    throw new Interrupted();
  },
});
