/** The entry for `deno serve`: settings come from the environment. */
import manifest from "../../deno.json" with { type: "json" };
import { openService } from "./app.ts";
import { settingsFrom } from "./settings.ts";

// Left alone, a machine without a Vulkan driver silently gets OpenGL, which lacks features the kernels use.
if (Deno.build.os === "linux" && Deno.env.get("DENO_WEBGPU_BACKEND") === undefined) {
  Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
}

const service = await openService({ settings: settingsFrom((name) => Deno.env.get(name)), version: manifest.version });

let isClosing = false;
// `deno serve` stops listening at these by itself, and then waits for whatever still works. Windows has no SIGTERM.
for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    // Whoever asks twice does not want to wait.
    if (isClosing) Deno.exit(1);
    isClosing = true;
    service.close();
  });
}

export default {
  fetch: (request, info) => service.fetch(request, { remoteAddr: info.remoteAddr }),
} satisfies Deno.ServeDefaultExport;
