/** Reading YAML: where problems are said to be, what is refused, and that time does not grow with the square. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseYaml } from "../../src/text/yaml_text.ts";

Deno.test("parseYaml() says where the first problem is and shows the line", () => {
  assertThrows(
    () => parseYaml("a: 1\nb: [!x c, !y d]\n"),
    SyntaxError,
    "Unresolved tag: !x at line 2, column 5:\n\nb: [!x c, !y d]\n    ^",
  );
});

Deno.test("parseYaml() shows a part of the line when a problem is far to the right", () => {
  const text = `a: [${"b, ".repeat(1000)}!x c]`;
  const { message } = assertThrows(() => parseYaml(text), SyntaxError) as SyntaxError;
  const [head, , shown, pointer] = message.split("\n");
  assertEquals(head, "Unresolved tag: !x at line 1, column 3005:");
  assertEquals(shown.slice(pointer.length - 1), "!x c]");
});

Deno.test("parseYaml() refuses ordered mappings in both versions", () => {
  for (const text of ["%YAML 1.1\n--- !!omap\n- a: 1\n", "!!omap\n- a: 1\n"]) {
    assertThrows(() => parseYaml(text), SyntaxError, "The tag !!omap is not supported");
    assertThrows(() => parseYaml(text, { isLenient: true }), SyntaxError, "The tag !!omap is not supported");
  }
});

Deno.test("parseYaml() takes the last of two keys and leaves unknown tags out when it is lenient", () => {
  assertEquals(parseYaml("a: 1\na: !x 2\n", { isLenient: true }), { a: "2" });
  assertThrows(() => parseYaml("a: 1\na: 2\n"), SyntaxError, 'the key "a" is there twice');
});

Deno.test("parseYaml() refuses more than a hundred aliases, lenient or not", () => {
  const text = `a: &a 1\nb: [${"*a, ".repeat(101)}]\n`;
  for (const isLenient of [false, true]) {
    assertThrows(() => parseYaml(text, { isLenient }), SyntaxError, "more than 100 aliases");
  }
});
