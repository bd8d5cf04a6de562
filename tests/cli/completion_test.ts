/** What a shell completes with the script of `secateur completion`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { commands } from "../../src/cli/commands.ts";
import { secateur, withFolder } from "./program.ts";

/** What bash offers behind a line of words, the last of which is being typed. */
async function complete(script: string, words: readonly string[], cwd: string): Promise<string[]> {
  const program =
    `source ${script}\nCOMP_WORDS=("$@")\nCOMP_CWORD=$(($# - 1))\n_secateur\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-u", "-c", program, "bash", ...words],
    cwd,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").sort();
}

Deno.test("secateur completion bash makes bash complete commands, options, choices, words and files", async () => {
  await withFolder(async (folder) => {
    const { code, stdout, stderr } = await secateur(["completion", "bash"]);
    assertEquals([code, stderr], [0, ""]);
    const script = `${folder}/secateur.bash`;
    await Deno.writeTextFile(script, stdout);
    await Deno.mkdir(`${folder}/files`);
    await Deno.writeTextFile(`${folder}/files/my scores`, "");
    const offered = (...words: string[]) => complete(script, ["secateur", ...words], `${folder}/files`);

    assertEquals(await offered(""), commands.map(({ name }) => name).sort());
    assertEquals(await offered("sc"), ["score"]);
    assertEquals(await offered("run", "--dry"), ["--dry-run"]);
    assertEquals(await offered("run", "--model", "x", "--engine", ""), ["reference", "webgpu"]);
    assertEquals(await offered("search", "--scores", "m"), ["my scores"]);
    assertEquals(await offered("report", "m"), ["my scores"]);
    assertEquals(await offered("completion", "z"), ["zsh"]);
    for (const { name, options } of commands) {
      assertEquals(await offered(name, "--"), Object.keys(options).map((option) => `--${option}`).sort());
    }
  });
});

Deno.test("secateur completion prints a script for each shell, and refuses others", async () => {
  for (const shell of ["zsh", "fish"]) {
    const { code, stdout } = await secateur(["completion", shell]);
    assertEquals(code, 0);
    for (const { name } of commands) assertMatch(stdout, new RegExp(`\\b${name}\\b`));
  }
  const { code, stderr } = await secateur(["completion", "bahs"]);
  assertEquals(code, 2);
  assertMatch(stderr, /^Error: unknown shell bahs; did you mean bash\?\nHint: expected one of bash, zsh, fish\./);
});
