/** The entry of the `secateur` program. */
import { demo } from "./demo.ts";
import { evaluate } from "./eval.ts";
import { info } from "./info.ts";
import { runProgram } from "./program.ts";
import { prune } from "./prune.ts";
import { run } from "./run.ts";
import { score } from "./score.ts";
import { search } from "./search.ts";

// Left alone, a Linux machine without a Vulkan driver gets OpenGL, which lacks features the kernels use. This must
// happen before the first adapter is asked for.
if (Deno.build.os === "linux" && !Deno.env.has("DENO_WEBGPU_BACKEND")) Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");

Deno.exit(await runProgram([run, score, search, prune, evaluate, info, demo], Deno.args));
