/** Events for programs, and colour for people. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import { defineCommand } from "../../src/cli/command.ts";
import { UsageError } from "../../src/cli/errors.ts";
import { EventStream } from "../../src/cli/events.ts";
import { chooseStyle } from "../../src/cli/style.ts";
import { command, demoModel, demoTask, secateur, withFolder } from "./program.ts";

function recorder() {
  const lines: string[] = [];
  let milliseconds = 5000;
  const events = new EventStream((line) => lines.push(line), () => milliseconds);
  return { lines, events, at: (time: number) => milliseconds = 5000 + time };
}

Deno.test("EventStream writes one object a line, with seconds since the command began", () => {
  const { lines, events, at } = recorder();
  events.progress({ stage: "score", done: 0, total: 4, unit: "path nodes" });
  at(1234);
  events.note("two\nlines");
  events.result({ accuracy: 0.5 });
  events.error(1, ["Error: a", "Hint: b"]);
  assert(lines.every((line) => line.indexOf("\n") === line.length - 1));
  assertEquals(lines.map((line) => JSON.parse(line)), [
    { event: "progress", seconds: 0, stage: "score", done: 0, total: 4, unit: "path nodes" },
    { event: "note", seconds: 1.234, text: "two\nlines" },
    { event: "result", seconds: 1.234, result: { accuracy: 0.5 } },
    { event: "error", seconds: 1.234, code: 1, lines: ["Error: a", "Hint: b"] },
  ]);
});

Deno.test("EventStream tells of progress at most ten times a second, and always a stage's first and last step", () => {
  const { lines, events, at } = recorder();
  for (let done = 0; done <= 100; done++) {
    at(done);
    events.progress({ stage: "a", done, total: 100, unit: "rows" });
  }
  events.progress({ stage: "b", done: 1, total: 2, unit: "rows" });
  assertEquals(lines.map((line) => JSON.parse(line)).map(({ stage, done }) => [stage, done]), [
    ["a", 0],
    ["a", 100],
    ["b", 1],
  ]);
});

Deno.test("secateur eval --events prints progress and ends with what --json prints", async () => {
  const args = ["eval", "--model", demoModel, "--task", demoTask, "--limit", "4"];
  const { code, stdout, stderr } = await secateur([...args, "--events"]);
  assertEquals([code, stderr], [0, ""]);
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const finished = events.filter(({ event, done, total }) => event === "progress" && done === total);
  assertEquals(finished.map(({ stage }) => stage), ["load", "evaluate"]);
  const { event, result } = events.at(-1);
  assertEquals([event, result.examples.length], ["result", 4]);
  const asJson = JSON.parse((await secateur([...args, "--json"])).stdout);
  assertEquals([result.metrics, result.examples], [asJson.metrics, asJson.examples]);
});

Deno.test("secateur --events ends with the error that stands on stderr when a command fails", async () => {
  const { code, stdout, stderr } = await secateur(["eval", "--model", "/no/model", "--task", demoTask, "--events"]);
  assertEquals(code, 1);
  const event = JSON.parse(stdout);
  assertEquals([event.event, event.code, event.lines.join("\n")], ["error", 1, stderr.trimEnd()]);
  assertMatch(stderr, /^Error: /);
});

Deno.test("a command refuses --json and --events together", () => {
  const nothing = defineCommand({
    name: "nothing",
    summary: "Do nothing.",
    description: "",
    example: "nothing",
    options: {},
    run: () => Promise.resolve({ text: "", json: null }),
  });
  assertEquals([[], ["--json"], ["--events"]].map((args) => nothing.check(args)), ["text", "json", "events"]);
  assertThrows(() => nothing.check(["--json", "--events"]), UsageError, "--json does not go with --events");
});

Deno.test("chooseStyle() colours on a terminal only, and nowhere when NO_COLOR is set", () => {
  const onTerminal = chooseStyle({ isTerminal: true, noColor: false })("good", "pruned");
  assert(onTerminal !== "pruned");
  assertEquals(stripVTControlCharacters(onTerminal), "pruned");
  assertEquals(chooseStyle({ isTerminal: true, noColor: true })("good", "pruned"), "pruned");
  assertEquals(chooseStyle({ isTerminal: false, noColor: false })("good", "pruned"), "pruned");
});

// Windows has no SIGINT to send to another process.
if (Deno.build.os !== "windows") {
  Deno.test("secateur run goes on after Ctrl-C with the scores that it had", async () => {
    await withFolder(async (out) => {
      const args = ["run", "--model", demoModel, "--task", demoTask, "--out", out, "--random-draws", "200"];
      const child = command([...args, "--events"]).spawn();
      let text = "";
      for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += part;
        // 200 draws take a while to answer; scores, grid and plan are there by then.
        if (/"stage":"evaluate"/.test(text) && !/"event":"error"/.test(text)) {
          child.kill("SIGINT");
          break;
        }
      }
      await child.stderr.cancel();
      assertEquals((await child.status).code, 130);
      const before = (await Deno.stat(`${out}/scores.safetensors`)).mtime;
      assertEquals(await Deno.stat(`${out}/run.json`).catch(() => null), null);

      const resumed = await secateur([...args.slice(0, -2), "--limit", "8", "--resume"]);
      assertEquals([resumed.code, resumed.stderr], [0, ""]);
      assertEquals((await Deno.stat(`${out}/scores.safetensors`)).mtime, before);
    });
  });
}

Deno.test("secateur --json leaves stdout empty when a command fails, and info prints one whole document before it does", async () => {
  await withFolder(async (folder) => {
    const onDemo = ["--model", demoModel, "--task", demoTask];
    const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };
    const cases: [string[], number, RegExp][] = [
      [["eval", ...onDemo, "--limti", "3"], 2, /^Error: unknown option --limti/],
      [["score", ...onDemo, "--out", `${folder}/new`, "--layers", "7"], 2, /^Error: Cannot use layer 7: /],
      [["report", folder], 1, /^Error: Cannot use .* it has no run\.json$/m],
      [["tasks", "validate", `${folder}/none.yaml`], 1, /^Error: Cannot read the task file /],
      // After the task and the headers of the model were read.
      [["eval", ...onDemo, "--split", "train", "--limit", "1"], 1, /^Error: Cannot use WebGPU/m],
    ];
    for (const [args, expected, error] of cases) {
      const { code, stdout, stderr } = await secateur([...args, "--json"], noAdapter);
      assertEquals([code, stdout], [expected, ""], stderr);
      assertMatch(stderr, error);
    }
    for (const name of ["tokenizer.json", "tokenizer_config.json", "model.safetensors"]) {
      await Deno.copyFile(`${demoModel}/${name}`, `${folder}/${name}`);
    }
    const config = JSON.parse(await Deno.readTextFile(`${demoModel}/config.json`));
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ ...config, model_type: "gemma" }));
    const { code, stdout, stderr } = await secateur(["info", "--model", folder, "--json"]);
    assertEquals([code, JSON.parse(stdout).problems.length], [1, 1]);
    assertMatch(stderr, /^Error: .* cannot be used: .*gemma/);
  });
});
