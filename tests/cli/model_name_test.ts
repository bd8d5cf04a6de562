/** `--model org/name@revision`, as a process: downloaded once, found again, and refused with a hint. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { HubServer, largeFile, type ServedFile, smallFile } from "../support/hub_server.ts";
import { outcomeOf } from "../support/outcome.ts";
import { demoModel, demoTask, projectPath, secateur, withFolder } from "./program.ts";

const commit = "89abcdef".repeat(5);

/** A hub that has the bundled model, and an environment with an empty cache. */
async function withDemoHub(use: (server: HubServer, environment: Record<string, string>) => Promise<void>) {
  const files: Record<string, ServedFile> = {};
  for await (const { name } of Deno.readDir(demoModel)) {
    const bytes = await Deno.readFile(`${demoModel}/${name}`);
    files[name] = name.endsWith(".safetensors") ? largeFile(bytes) : smallFile(bytes);
  }
  const server = new HubServer([{ id: "org/demo", commit, revisions: ["main", "v1"], files }]);
  try {
    await withFolder((home) => use(server, { HOME: home, HF_HOME: `${home}/hf`, HF_ENDPOINT: server.endpoint }));
  } finally {
    await server.close();
  }
}

const evaluation = ["--task", demoTask, "--engine", "reference", "--limit", "2", "--json"];

/** Runs the program with a few permissions instead of all. */
async function secateurWith(permissions: readonly string[], args: readonly string[], env: Record<string, string>) {
  return await outcomeOf(
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...permissions, projectPath("src/cli/main.ts"), ...args],
      env,
      stdin: "null",
    }),
  );
}

Deno.test("secateur downloads a model by name, records its commit, and needs no network afterwards", async () => {
  await withDemoHub(async (server, environment) => {
    const local = await secateur(["eval", "--model", demoModel, ...evaluation]);
    const downloaded = await secateur(["eval", "--model", "org/demo@v1", ...evaluation], environment);
    assertEquals([downloaded.code, downloaded.stderr], [0, ""]);
    const result = JSON.parse(downloaded.stdout);
    assertEquals(result.model, `org/demo@${commit}`);
    assertEquals(result.examples, JSON.parse(local.stdout).examples);

    server.forget();
    const withoutNet = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-ffi"];
    const again = await secateurWith(withoutNet, ["eval", "--model", "org/demo@v1", ...evaluation], environment);
    assertEquals([again.code, again.stderr, again.stdout], [0, "", downloaded.stdout]);
    assertEquals(server.seen.length, 0);

    const denied = await secateurWith(withoutNet, ["eval", "--model", "org/other", ...evaluation], environment);
    assertEquals([denied.code, denied.stdout], [1, ""]);
    assertStringIncludes(
      denied.stderr,
      `Error: Cannot reach ${new URL(server.endpoint).host}: the program is not allowed`,
    );
    assertStringIncludes(denied.stderr, "Hint: run it with --allow-net");
  });
});

Deno.test("secateur says what to do when a model is gated, and prints no token", async () => {
  await withDemoHub(async (server, environment) => {
    server.fail(/revision/, () => new Response(null, { status: 403, headers: { "x-error-code": "GatedRepo" } }));
    const { code, stdout, stderr } = await secateur(["info", "--model", "org/demo"], {
      ...environment,
      HF_TOKEN: "hf_NeverToBeSeen",
      SECATEUR_TRACE: "1",
    });
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.split("\n").map((line) => line.split(" ")[0]), ["Error:", "Hint:", ""]);
    assertStringIncludes(stderr, "Error: Cannot download org/demo: the model is gated (HTTP 403)\n");
    assertStringIncludes(stderr, `Hint: ask for access at ${server.endpoint}/org/demo with the account of your token`);
    assertEquals(server.seen[0].headers.get("authorization"), "Bearer hf_NeverToBeSeen");
    assertEquals(stderr.includes("NeverToBeSeen"), false);
  });
});
