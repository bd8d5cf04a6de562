/** `--shard` and `merge` as a person types them: the files of one process, whatever the number of parts. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { demoModel, demoTask, secateur, withFolder } from "./program.ts";

Deno.test("secateur score and search in shards, merged, write the bytes of one process, and say what is missing", async () => {
  await withFolder(async (folder) => {
    const [one, many] = [join(folder, "one"), join(folder, "many")];
    const work = ["--model", demoModel, "--task", demoTask, "--adaptation-examples", "4"];
    const run = async (args: readonly string[], env?: Record<string, string>) => {
      const outcome = await secateur(args, env);
      assertEquals(outcome.code, 0, outcome.stderr);
      return outcome.stdout;
    };
    const scores = (out: string) => join(out, "scores.safetensors");
    await run(["score", ...work, "--out", one]);
    await run(["search", ...work, "--scores", scores(one), "--out", one]);

    await run(["score", ...work, "--out", many, "--shard", "1/2"]);
    const statusOf = async () => JSON.parse(await run(["status", many, "--json"])).steps;
    const [begun] = await statusOf();
    assertEquals(
      [begun.step, begun.shards, begun.missing, begun.units, begun.unitsDone, begun.merged],
      ["score", 2, [2], 12, 6, false],
    );
    assertEquals(Object.values(begun.engines), [1]);
    const foreign = await secateur(["score", ...work, "--seed", "4", "--out", many, "--shard", "2/2"]);
    assertEquals(foreign.code, 1);
    assertMatch(
      foreign.stderr,
      /^Error: .*many has a part of another job, .*score-1-of-2\.safetensors: it has another digest of the examples/,
    );
    await run(["score", ...work, "--seed", "4", "--nodes", "1", "--out", join(folder, "other"), "--shard", "2/3"]);
    const stray = join(many, "parts", "score-2-of-3.safetensors");
    await Deno.copyFile(join(folder, "other", "parts", "score-2-of-3.safetensors"), stray);
    const mixed = await secateur(["merge", many]);
    assertEquals(mixed.code, 1);
    assertMatch(
      mixed.stderr,
      /\nHint: they are of 2 jobs: delete .*score-1-of-2\.safetensors; or .*score-2-of-3\.safe/,
    );
    await Deno.remove(stray);
    await Deno.writeTextFile(join(many, "parts", "score-2-of-2.safetensors"), "cut short");
    assertMatch(
      await run(["status", many]),
      /1 of 2 shards, 6 of 12 paths\n[^]*refused .*score-2-of-2[^]*missing: 2\n/,
    );
    await Deno.remove(join(many, "parts", "score-2-of-2.safetensors"));
    const incomplete = await secateur(["merge", many]);
    assertEquals(incomplete.code, 1);
    assertMatch(incomplete.stderr, /lacks 6 paths of 12: shards 2 of score are missing/);
    const missing = /secateur (score .* --shard 2\/2)/.exec(incomplete.stderr)![1];
    assertEquals(begun.commands, [`secateur ${missing}`]);
    await run(missing.split(" "));
    assertMatch(await run(["score", ...work, "--out", many, "--shard", "2/2"]), /There already/);
    const others = await secateur(["score", ...work, "--seed", "1", "--out", many, "--shard", "2/2"]);
    assertEquals(others.code, 1);
    assertMatch(others.stderr, /of another job: it has another digest of the examples/);
    assertMatch(await run(["status", many]), /2 of 2 shards, 12 of 12 paths, ready to merge\n/);
    await run(["merge", many]);

    const array = { SLURM_ARRAY_TASK_ID: "0", SLURM_ARRAY_TASK_MIN: "0", SLURM_ARRAY_TASK_COUNT: "1" };
    await run(["search", ...work, "--scores", scores(many), "--out", many, "--shard", "auto"], array);
    await run(["merge", many, "--step", "search"]);
    assertEquals(
      (await statusOf()).map(({ missing, merged }: { missing: number[]; merged: boolean }) => [missing, merged]),
      [
        [[], true],
        [[], true],
      ],
    );
    const nothing = await secateur(["status", one]);
    assertEquals(nothing.code, 1);
    assertMatch(nothing.stderr, /has no parts yet/);
    for (const name of ["scores.safetensors", "grid.json", "plan.json"]) {
      assertEquals(await Deno.readFile(join(many, name)), await Deno.readFile(join(one, name)), name);
    }
  });
});
