/** The entry for `deno serve`: settings come from the environment. */
import manifest from "../../deno.json" with { type: "json" };
import { openService, type Service } from "./app.ts";
import { settingsFrom } from "./settings.ts";
import { StopRequests } from "./stop_requests.ts";

// Left alone, a machine without a Vulkan driver silently gets OpenGL, which lacks features the kernels use.
if (Deno.build.os === "linux" && Deno.env.get("DENO_WEBGPU_BACKEND") === undefined) {
  Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
}

const service = await open();
const requests = new StopRequests();
// `deno serve` stops listening at these by itself, and then waits for whatever still works. Windows has no SIGTERM.
for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    const request = requests.take();
    if (request === "again") Deno.exit(1);
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
    Deno.exit(1);
  }
}

export default {
  fetch: (request, info) => service.fetch(request, { remoteAddr: info.remoteAddr }),
} satisfies Deno.ServeDefaultExport;
