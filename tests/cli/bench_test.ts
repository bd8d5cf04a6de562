/** The bench as a process, at sizes that measure nothing, and the records it leaves. */
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { type BenchRecord, parseRecord, type Part, resultsFileName } from "../../bench/record.ts";
import { type Outcome, outcomeOf } from "../support/outcome.ts";
import { projectPath, withFolder } from "./program.ts";

async function bench(args: readonly string[]): Promise<Outcome> {
  return await outcomeOf(
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", projectPath("bench/main.ts"), ...args],
      // No Python: PyTorch takes longer to load than everything else takes to run.
      env: { SECATEUR_BENCH_PYTHON: "no-such-python" },
      stdin: "null",
    }),
  );
}

/** Runs one part and returns the records of its results file, each one checked. */
async function recordsOf(part: Part, ...args: string[]): Promise<BenchRecord[]> {
  let records: BenchRecord[] = [];
  await withFolder(async (folder) => {
    const { code, stderr } = await bench(["--quick", "--rounds", "1", "--only", part, "--results", folder, ...args]);
    assertEquals(code, 0, stderr);
    const [file] = await Array.fromAsync(Deno.readDir(folder));
    const text = await Deno.readTextFile(`${folder}/${file.name}`);
    records = text.trimEnd().split("\n").map(parseRecord);
    assertEquals(file.name, resultsFileName(records[0].adapter));
  });
  for (const record of records) assertEquals(record.part, part);
  return records;
}

/** The figures of the one record of a contender. */
function figuresOf(records: readonly BenchRecord[], contender: string): BenchRecord["figures"] {
  const found = records.filter((record) => record.contender === contender);
  assertEquals(found.length, 1, `records of ${contender}`);
  return found[0].figures;
}

Deno.test("bench kernels checks, times and compares with the roofline when it runs quickly", async () => {
  const records = await recordsOf("kernels", "--filter", "swiglu");
  assertEquals(records.map((record) => record.case.split("(")[0]), [
    "roofline",
    "roofline",
    "swiglu",
    "swiglu_backward",
  ]);
  for (const { figures, check, seconds } of records.slice(2)) {
    assertEquals(figures.rooflinePercent > 0 && figures.gflopsPerSecond > 0 && seconds! > 0, true);
    assertEquals(check.nmse < 1e-9, true);
  }
});

Deno.test("bench job compares both straightforward ways with the engine when it runs quickly", async () => {
  const records = await recordsOf("job");
  const score = records.filter((record) => record.case === "score quick");
  assertEquals(figuresOf(score, "secateur").unconvergedPaths, 0);
  assertEquals(figuresOf(score, "secateur, positions last").unconvergedPaths, 0);
  assertEquals(figuresOf(score, "unshared").nodesPerPath, 20);
  assertStringIncludes(score.find(({ contender }) => contender === "pytorch")!.note!, "not run: no Python with torch");
  const grid = records.filter((record) => record.case === "grid quick");
  assertEquals(figuresOf(grid, "secateur").cells, 20);
  assertEquals(figuresOf(grid, "unshared, a forward pass a choice").timesAsFast > 0, true);
});

Deno.test("bench growth fits an exponent when it runs quickly", async () => {
  const records = await recordsOf("growth", "--filter", "layers");
  assertEquals(records.map(({ contender }) => contender), ["1 layers", "2 layers", "seconds ~ size^exponent"]);
  assertEquals(Number.isFinite(records[2].figures.exponent), true);
});

Deno.test("bench budget keeps to every budget and to the same scores when it runs quickly", async () => {
  const records = await recordsOf("budget");
  assertEquals(records.length, 2);
  for (const { figures, check, note } of records) {
    assertEquals([figures.peakBytes <= figures.budgetBytes, check.nmse <= 1e-9, note], [true, true, undefined]);
  }
});

Deno.test("bench --help describes every option and names no other", async () => {
  const { code, stdout, stderr } = await bench(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const option of ["only", "model", "filter", "rounds", "exhaustive", "quick", "results", "json"]) {
    assertMatch(stdout, new RegExp(`^  --${option}( |$)`, "m"));
  }
});

Deno.test("bench exits with 2 and points at its own help when an option is unknown", async () => {
  const { code, stdout, stderr } = await bench(["--modle", "small"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^Error: unknown option --modle; did you mean --model\?\nHint: run `deno task bench --help`/);
});

Deno.test("parseRecord() names the field when a line is not a record", () => {
  const record: BenchRecord = {
    time: "2026-11-23T00:00:00.000Z",
    commit: "0123456789ab",
    dirty: false,
    adapter: "llvmpipe",
    driver: "Mesa",
    deno: "2.9.6",
    os: "linux x86_64",
    cpu: "processor",
    cores: 2,
    load: 0.5,
    part: "kernels",
    case: "swiglu(T=1,H=1)",
    contender: "only",
    seconds: 0.25,
    quartiles: [0.2, 0.3],
    samples: 5,
    figures: { gflopsPerSecond: 1 },
    check: { nmse: 1e-14 },
  };
  assertEquals(parseRecord(JSON.stringify(record)), record);
  const broken: readonly [Record<string, unknown>, string][] = [
    [{ commit: undefined }, "commit"],
    [{ dirty: "no" }, "dirty"],
    [{ part: "kernel" }, "part"],
    [{ case: "" }, "case"],
    [{ seconds: -1 }, "seconds"],
    [{ quartiles: [1] }, "quartiles"],
    [{ samples: 0.5 }, "samples"],
    [{ figures: { gflopsPerSecond: null } }, "figures"],
    [{ check: { nmse: "0" } }, "check"],
    [{ note: 1 }, "note"],
    [{ gflops: 1 }, "gflops"],
  ];
  for (const [change, field] of broken) {
    assertThrows(() => parseRecord(JSON.stringify({ ...record, ...change })), TypeError, field);
  }
  assertThrows(() => parseRecord("{"), SyntaxError);
});
