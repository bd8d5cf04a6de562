/** A process that resolves a model: `deno run resolve_model.ts NAME TIMING`. Prints what it found, as JSON. */
import { resolveModel } from "../../src/checkpoint/hub.ts";

const [name, timing] = Deno.args;
console.log(JSON.stringify(await resolveModel(name, { timing: JSON.parse(timing) })));
