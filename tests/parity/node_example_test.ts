/**
 * The example for Node: the demo model scored there gives what Deno gives. Where `SECATEUR_NODE_ADAPTER` is set, Node
 * must compute on an adapter of that name.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { type DemoScores, scoreDemo } from "../../examples/browser/score_demo.ts";
import { bundle } from "../../examples/browser/serve.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { meanSquareError } from "../support/relative_error.ts";

const demo = fileURLToPath(new URL("../../examples/demo", import.meta.url));

/** Node of version 20 or later; without one, Deno runs the script as Node would. */
async function findNode(): Promise<[string, ...string[]]> {
  const { stdout } = await new Deno.Command("node", { args: ["--version"] }).output().catch(() => ({ stdout: null }));
  const version = /^v(\d+)/.exec(stdout ? new TextDecoder().decode(stdout) : "");
  return version && Number(version[1]) >= 20 ? ["node"] : [Deno.execPath(), "run", "--allow-all", "--no-config"];
}

Deno.test("the example for Node gives the scores of Deno when Node computes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const script = `${folder}/main.mjs`;
    await Deno.writeTextFile(script, await bundle(new URL("../../examples/node/main.ts", import.meta.url), "deno"));
    const [command, ...args] = await findNode();
    const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args, script, demo] }).output();
    assert(success, new TextDecoder().decode(stderr));
    const inNode = JSON.parse(new TextDecoder().decode(stdout)) as DemoScores;
    const inDeno = await scoreDemo((path) => openFileSource(`${demo}/${path}`), { engine: "webgpu" });
    const adapter = Deno.env.get("SECATEUR_NODE_ADAPTER");
    if (adapter !== undefined) assertStringIncludes(inNode.adapter ?? "no adapter", adapter);
    assertEquals(inNode.shape, inDeno.shape);
    assertEquals(inNode.accuracy, inDeno.accuracy);
    const error = meanSquareError(inNode.scores, inDeno.scores);
    assert(error <= 1e-6, `NMSE ${error} on ${inNode.adapter}`);
    if (adapter !== undefined) console.log(`Node on ${inNode.adapter}: NMSE ${error} from Deno`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
