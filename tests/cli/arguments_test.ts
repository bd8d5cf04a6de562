/** The option tables of the program: types, ranges, defaults, suggestions, help. */
import { assert, assertEquals, assertIsError, assertStringIncludes, assertThrows } from "@std/assert";
import {
  describeOptions,
  describeRequired,
  type OptionTable,
  parseBytes,
  parseOptions,
  underHeading,
  wrapParagraphs,
} from "../../src/cli/arguments.ts";
import { formatBytes, formatShortage } from "../../src/text/bytes.ts";
import { closest } from "../../src/tasks/did_you_mean.ts";
import { UsageError } from "../../src/cli/errors.ts";

const table = {
  model: { type: "text", description: "The checkpoint folder.", placeholder: "DIR", required: true },
  nodes: { type: "integer", description: "Path nodes.", min: 1, max: 512, default: 8 },
  tolerance: { type: "number", description: "Largest relative error.", min: 0, max: 1 },
  engine: { type: "choice", description: "What computes.", choices: ["webgpu", "reference"], default: "webgpu" },
  "memory-budget": { type: "bytes", description: "Device memory." },
  fractions: { type: "numbers", description: "Fractions.", min: 0, max: 1, default: [0.05, 0.1] },
  json: { type: "flag", description: "Print JSON." },
} as const satisfies OptionTable;

function refusal(...args: string[]): UsageError {
  const error = assertThrows(() => parseOptions("score", table, args));
  assertIsError(error, UsageError);
  return error as UsageError;
}

Deno.test("parseOptions() reads every type when values are separate or joined by =", () => {
  const values = parseOptions("score", table, [
    "--model=a b",
    "--nodes",
    "12",
    "--tolerance",
    "1e-3",
    "--engine=reference",
    "--memory-budget",
    "512MiB",
    "--fractions",
    "0.1,0.25",
    "--json",
  ]);
  assertEquals(values, {
    model: "a b",
    nodes: 12,
    tolerance: 0.001,
    engine: "reference",
    "memory-budget": 512 * 1024 * 1024,
    fractions: [0.1, 0.25],
    json: true,
  });
});

Deno.test("parseOptions() collects texts when an option may be repeated", () => {
  const repeated = { data: { type: "texts", description: "Rows." } } as const satisfies OptionTable;
  assertEquals(parseOptions("eval", repeated, ["--data", "train=a,b.csv", "--data=test=c"]), {
    data: ["train=a,b.csv", "test=c"],
  });
  assertEquals(parseOptions("eval", repeated, []), { data: undefined });
  assertThrows(() => parseOptions("eval", repeated, ["--data", ""]), UsageError, '--data cannot be ""');
});

Deno.test("parseOptions() gives defaults when options are left out", () => {
  assertEquals(parseOptions("score", table, ["--model", "m"]), {
    model: "m",
    nodes: 8,
    tolerance: undefined,
    engine: "webgpu",
    "memory-budget": undefined,
    fractions: [0.05, 0.1],
    json: false,
  });
});

Deno.test("parseOptions() suggests the close name when an option is unknown", () => {
  assertEquals(
    refusal("--model", "m", "--memmory-budget", "1GiB").message,
    "unknown option --memmory-budget; did you mean --memory-budget?",
  );
  assertEquals(refusal("--model", "m", "--entirely-else").message, "unknown option --entirely-else");
  assertEquals(
    refusal("--model", "m", "--engine", "referense").message,
    '--engine cannot be "referense"; did you mean reference?',
  );
});

Deno.test("parseOptions() does not take names of Object.prototype for options when they are given", () => {
  assertStringIncludes(refusal("--model", "m", "--constructor", "1").message, "unknown option --constructor");
});

Deno.test("parseOptions() refuses a value when it is outside the type or the range", () => {
  for (const bad of ["0", "513", "1.5", "", "many", "0x"]) {
    const error = refusal("--model", "m", `--nodes=${bad}`);
    assertEquals(error.message, `--nodes cannot be ${JSON.stringify(bad)}`);
    assertEquals(error.hint, "expected a whole number from 1 to 512.");
  }
  assertStringIncludes(refusal("--model", "m", "--fractions", "0.1,2").message, '--fractions cannot be "0.1,2"');
  assertStringIncludes(refusal("--model", "m", "--memory-budget", "lots").hint, "such as 512MiB");
});

Deno.test("parseOptions() says what is missing when a value or a required option is not there", () => {
  assertEquals(refusal("--model").message, "--model needs a value");
  assertEquals(refusal("--model", "--json").message, "--model needs a value");
  assertEquals(refusal("--json").message, "--model is missing");
});

Deno.test("parseOptions() refuses stray words, repeats and values of flags when they are given", () => {
  assertEquals(refusal("--model", "m", "extra").message, 'unexpected argument "extra"');
  assertEquals(refusal("--model", "m", "--model", "n").message, "--model is given twice");
  assertEquals(refusal("--model", "m", "--json=yes").message, "--json takes no value");
});

Deno.test("parseBytes() reads decimal and binary units when they are written as people do", () => {
  assertEquals(["0", "1000", "64B", "1kB", "1KiB", "1.5GiB", "2 MB", "3g"].map(parseBytes), [
    0,
    1000,
    64,
    1000,
    1024,
    1.5 * 1024 ** 3,
    2_000_000,
    3_000_000_000,
  ]);
  for (const bad of ["", "-1", "1iB", "1XB", "MiB", "1 2"]) {
    assertThrows(() => parseBytes(bad), RangeError, "Cannot read");
  }
});

Deno.test("formatShortage() counts bytes where units do not show that there is too little", () => {
  assertEquals(formatShortage(3 * 2 ** 20, 2 ** 20), ["3 MiB", "1 MiB"]);
  assertEquals(formatShortage(2 ** 30 + 1, 2 ** 30), ["1073741825 bytes", "1073741824 bytes"]);
});

Deno.test("formatBytes() picks the largest binary unit when the amount is not below it", () => {
  assertEquals([0, 1023, 1024, 1536, 512 * 1024 ** 2].map(formatBytes), [
    "0 bytes",
    "1023 bytes",
    "1 KiB",
    "1.5 KiB",
    "512 MiB",
  ]);
});

Deno.test("closest() counts swaps as one edit and stays silent when nothing is near", () => {
  assertEquals(closest("serach", ["search", "score"]), "search");
  assertEquals(closest("x", ["run", "eval"]), null);
  assertEquals(closest("run", ["run"]), "run");
});

Deno.test("describeOptions() names value, choices and default when it lists a table", () => {
  const text = describeOptions(table);
  assertStringIncludes(text, "--model DIR");
  assertStringIncludes(text, "One of webgpu, reference. Default: webgpu.");
  assertStringIncludes(text, "Default: 0.05,0.1.");
  assertStringIncludes(text, "Options:\n  --model DIR");
});

Deno.test("describeOptions() says on a line of its own what each choice means, where that is said", () => {
  const long = `${"word ".repeat(20)}end`;
  const text = describeOptions({
    mode: {
      type: "choice",
      choices: ["a", "b"],
      default: "a",
      description: "How.",
      meanings: { a: "one way", b: long },
    },
  });
  const [, first, a, b, rest] = text.split("\n");
  assertEquals([first.trim(), a.trim()], ["--mode WORD  How. Default: a. One of:", "a: one way"]);
  assertEquals([b.indexOf("b: word"), rest.indexOf("word")], [a.indexOf("a:"), a.indexOf("a:") + 2]);
  assert(b.length <= 100 && rest.endsWith("end"));
});

Deno.test("describeOptions() lists options under their headings when they have some", () => {
  const { json, ...rest } = table;
  const text = describeOptions({ ...underHeading("What to compute", rest), json });
  const lines = text.split("\n").filter((line) => !line.startsWith("   "));
  assertEquals([lines[0], lines.indexOf("Options:"), lines.at(-1)!.slice(0, 8)], ["What to compute:", 8, "  --json"]);
});

Deno.test("describeRequired() names the options that must be given, with their values", () => {
  assertEquals(describeRequired(table), "--model DIR");
});

Deno.test("wrapParagraphs() fills lines, and keeps paragraphs with indented lines", () => {
  const words = `${"word ".repeat(30)}end`;
  const list = "names:\n  one\n  two";
  const [first, second, ...others] = wrapParagraphs(`${words}\nof it\n\n${list}`).split("\n");
  assertEquals([first.length, second.endsWith("end of it")], [99, true]);
  assertEquals(others.join("\n"), `\n${list}`);
});
