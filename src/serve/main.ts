/** The entry for `deno serve`: settings come from the environment. */
import manifest from "../../deno.json" with { type: "json" };
import { OptionError } from "../text/option_error.ts";
import { openService, type Service } from "./app.ts";
import { settingsFrom } from "./settings.ts";
import { signalExitCodes, StopRequests, stopSignals } from "./stop_requests.ts";

// Left alone, a machine without a Vulkan driver silently gets OpenGL, which lacks features the kernels use.
if (Deno.build.os === "linux" && Deno.env.get("DENO_WEBGPU_BACKEND") === undefined) {
  Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
}

const service = await open();
const requests = new StopRequests();
// `deno serve` stops listening at these by itself, and then waits for whatever still works.
for (const signal of stopSignals) {
  Deno.addSignalListener(signal, () => {
    const request = requests.take();
    if (request === "again") Deno.exit(signalExitCodes[signal]);
    if (request === "first") service.close();
  });
}

/** Opens the service, or says in one line why it cannot be. */
async function open(): Promise<Service> {
  try {
    const settings = settingsFrom((name) => Deno.env.get(name));
    return await openService({ settings, version: manifest.version });
  } catch (error) {
    console.error(`Error: ${(error as Error).message}`);
    // As `secateur serve`: a supervisor need not try again with the same setting.
    Deno.exit(error instanceof OptionError ? 2 : 1);
  }
}

export default {
  fetch: (request, info) => service.fetch(request, { remoteAddr: info.remoteAddr }),
} satisfies Deno.ServeDefaultExport;
