/**
 * A program for tests of interruption: the reduced study of the made-up model in a folder. It kills its own process at
 * a given write, before the write, in the middle of one, or after it, as a power cut would.
 *
 *     killed_study.ts FOLDER [WRITE before|during|after]
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openTensorStore, type TensorStore } from "../../src/checkpoint/tensor_store.ts";
import { createCachedEngine } from "../../src/engine/cached.ts";
import { runStudy, serialiseStudy } from "../../src/method/study/study.ts";
import { studyToyInput } from "./study_toy.ts";

const [folder, killAt, moment] = Deno.args;
const store = await openTensorStore(folder);
let writes = 0;
const die = () => Deno.kill(Deno.pid, "SIGKILL");
const deadly: TensorStore = {
  ...store,
  async put(entries) {
    const isLast = ++writes === Number(killAt);
    if (isLast && moment === "before") die();
    if (isLast && moment === "during") {
      await writeFile(join(folder, ".unit.safetensors.0123456789ab.partial"), "half");
      die();
    }
    await store.put(entries);
    if (isLast) die();
  },
};
const input = studyToyInput();
const engine = createCachedEngine(input.engine, deadly, { namespace: "toy", interventionsPerUnit: 8 });
const study = await runStudy({ ...input, engine });
await Deno.stdout.write(new TextEncoder().encode(serialiseStudy(study)));
console.error(writes);
