/** `secateur doctor`, as a process: with an adapter, without one, and with few permissions. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { projectPath, secateur, withFolder } from "./program.ts";

const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

Deno.test("secateur doctor finds adapter, kernels and cache in order when nothing stands in the way", async () => {
  await withFolder(async (cache) => {
    for (const name of ["models--org--a", "models--org--b", "datasets--org--c"]) await Deno.mkdir(`${cache}/${name}`);
    const { code, stdout, stderr } = await secateur(["doctor", "--json"], {
      HF_HUB_CACHE: cache,
      HF_TOKEN: "hf_secret",
      HF_HUB_OFFLINE: "1",
    });
    assertEquals([code, stderr], [0, ""]);
    assert(!stdout.includes("hf_secret"));
    const { adapter, selfCheck, permissions, hub, problems } = JSON.parse(stdout);
    assert(adapter.adapter.length > 0 && adapter.limits.maxBufferSize > 0);
    assertEquals(selfCheck, { F32: "passed", F16: "passed", BF16: "passed" });
    assertEquals([permissions.read, permissions.net], ["granted", "granted"]);
    assertEquals([hub.cache, hub.models, hub.datasets], [cache, 2, 1]);
    assertEquals([hub.isOffline, hub.hasToken, problems], [true, true, []]);
  });
});

Deno.test("secateur doctor says what to install when there is no adapter", async () => {
  const { code, stdout } = await secateur(["doctor"], noAdapter);
  assertEquals(code, 0);
  assertMatch(stdout, /^ {2}adapter: none$/m);
  assertMatch(stdout, /^Problem: Cannot use WebGPU.*--engine reference.*\nHint: .*\S/m);
});

Deno.test("secateur doctor names what is not granted when it has no permissions but to start", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-env=DENO_WEBGPU_BACKEND,XDG_RUNTIME_DIR,SECATEUR_TRACE"],
      ...[projectPath("src/cli/main.ts"), "doctor", "--json"],
    ],
    env: noAdapter,
    stdin: "null",
  }).output();
  assertEquals(code, 0);
  const { hub, problems } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(hub, null);
  const named = problems.map(({ problem }: { problem: string }) => problem).join("\n");
  for (const name of ["read", "write", "env"]) assertMatch(named, new RegExp(`not every ${name} access is granted`));
  assertMatch(named, /models by name cannot be looked up/);
});
