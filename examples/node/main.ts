/**
 * Scores the demo model in Node: with the npm package `webgpu` where it finds an adapter, else with the reference
 * engine.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { scoreDemo } from "../browser/score_demo.ts";

/** Dawn for Node, where it is installed and finds an adapter. */
async function findGpu(): Promise<GPU | null> {
  try {
    // Only where somebody installed it, so its name is no import of this project.
    const name = "webgpu";
    const { create, globals } = await import(name);
    Object.assign(globalThis, globals);
    const gpu: GPU = create([]);
    return await gpu.requestAdapter() ? gpu : null;
  } catch {
    return null;
  }
}

const demo = process.argv[2] ?? fileURLToPath(new URL("../demo", import.meta.url));
const gpu = await findGpu();
const result = await scoreDemo(
  (path) => openFileSource(`${demo}/${path}`),
  gpu ? { engine: "webgpu", gpu } : { engine: "reference" },
);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
