import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseJsonObject } from "../../src/checkpoint/strict_json.ts";

Deno.test("parseJsonObject() gives what JSON.stringify() wrote when the object is any object", () => {
  const value = fc.jsonValue({ maxDepth: 4, stringUnit: "grapheme" });
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), value, { noNullPrototype: false }), (object) => {
      const text = JSON.stringify(object);
      assertEquals(JSON.stringify(parseJsonObject("x", text)), text);
      assertEquals(JSON.stringify(parseJsonObject("x", JSON.stringify(object, null, 2))), text);
      assertEquals(JSON.stringify(parseJsonObject("x", new TextEncoder().encode(text))), text);
    }),
    { seed: 1, numRuns: 300 },
  );
});

Deno.test("parseJsonObject() gives names of one escaped character when objects of the same beginning came before", () => {
  for (const name of ["\\", '"', "\n", "b", "\\", '"']) {
    const escaped = name === "b" ? '"\\u0062"' : JSON.stringify(name);
    assertEquals(Object.keys(parseJsonObject("x", `{"m":{"q":1},${escaped}:2}`)), ["m", name]);
  }
});

Deno.test("parseJsonObject() accepts the same name in different objects and in lists of objects", () => {
  const text = '{"a":{"a":[{"a":1},{"a":2}]},"b":["a","a"]}';
  assertEquals(JSON.stringify(parseJsonObject("x", text)), text);
});

Deno.test("parseJsonObject() keeps __proto__ an ordinary name", () => {
  const object = parseJsonObject("x", '{"__proto__":{"a":1}}');
  assertEquals(Object.keys(object), ["__proto__"]);
  assertEquals(object.a, undefined);
});

const refused: readonly [when: string, text: string | Uint8Array, message: string][] = [
  ["a name occurs twice", '{"a":1,"b":{},"a":2}', '"a" occurs twice'],
  ["a name occurs twice in different spelling", '{"a":1,"\\u0061":2}', '"a" occurs twice'],
  ["a name occurs twice in an inner object", '{"l":[0,{"a":1,"a":2}]}', '"a" occurs twice'],
  ["__proto__ occurs twice", '{"__proto__":1,"__proto__":2}', '"__proto__" occurs twice'],
  ["the nesting is deep", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "deeper than 64"],
  ["a name is repeated after a very long string", `{"a":"${"\\n".repeat(2_000_000)}","b":1,"b":2}`, '"b" occurs twice'],
  ["the text is a list", "[]", "expected a JSON object"],
  ["the text is null", "null", "expected a JSON object"],
  ["the text is empty", "", "Cannot parse x"],
  ["the text has NaN", '{"a":NaN}', "Cannot parse x"],
  ["the text has a comment", '{"a":1}//', "Cannot parse x"],
  ["the bytes start with a byte order mark", new TextEncoder().encode("\ufeff{}"), "Cannot parse x"],
  ["the bytes are not UTF-8", Uint8Array.of(0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d), "Cannot parse x"],
];

for (const [when, text, message] of refused) {
  Deno.test(`parseJsonObject() throws when ${when}`, () => {
    assertThrows(() => parseJsonObject("x", text), SyntaxError, message);
  });
}
