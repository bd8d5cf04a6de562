import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parsePythonLiteral } from "../../src/tasks/python_literal.ts";
import { countCodePoints, equals, pythonText, trimEnd, type Value } from "../../src/tasks/python_value.ts";
import { compileTemplate } from "../../src/tasks/template.ts";

const row = {
  s: "  They're HERE, 🙂 é!\n",
  t: "true story",
  n: 7,
  z: -3,
  b: true,
  small: 0.00001,
  g: 2.5,
  nothing: null,
  l: ["a", "b'c", 'd"e', "x\n"],
  nums: [3, 1, 2],
  d: { text: ["A", "B"], label: "k", n: 1 },
  e: "",
  wide: "\u00a0\u2003x\ufeff\u1680",
  cp: "🙂🙃x",
  mixed: [1, null, true, "s", 2.5, { k: "v'" }],
  objects: [{ a: 1, b: "x" }, { a: 2, b: "y" }],
};

/**
 * Template and text; Jinja2 3.1.6 with StrictUndefined, keep_trailing_newline and loop controls gives the same, with
 * `regex_replace` as a filter that calls Python 3.11's `re.sub`.
 */
const rendered: readonly [string, string][] = [
  ["{{s}}", "  They're HERE, 🙂 é!\n"],
  ["{{s.strip()}}|{{s|trim}}|{{wide.strip()}}|", "They're HERE, 🙂 é!|They're HERE, 🙂 é!|x\ufeff|"],
  ["{{b}} {{nothing}} {{n}} {{small}} {{g}}", "True None 7 1e-05 2.5"],
  ["{{l}}", "['a', \"b'c\", 'd\"e', 'x\\n']"],
  ["{{mixed}}", "[1, None, True, 's', 2.5, {'k': \"v'\"}]"],
  ['{{d.text[0]}} {{d["label"]}} {{d.text[-1]}}', "A k B"],
  ["{{cp[0]}} {{cp[1:]}} {{cp|length}} {{cp[::-1]}} {{cp[-1]}}", "🙂 🙃x 3 x🙃🙂 x"],
  ["{{nums[1:]}} {{nums[5:]}} {{nums[-2:]}} {{nums[:-1]}} {{nums[2:0:-1]}}", "[1, 2] [] [1, 2] [3, 1] [2, 1]"],
  ['{{"1"==1}} {{1==True}} {{[1,"a"]==[1,"a"]}} {{"a"~1~none~True}}', "False True True a1NoneTrue"],
  ["{{n//2}} {{n%2}} {{z//2}} {{z%2}} {{n/2}} {{2**3}} {{ -n }} {{z|abs}}", "3 1 -2 1 3.5 8 -7 3"],
  ['{{"x" if n>5 else "y"}} {{not b}} {{n in [7]}} {{"k" in d}} {{"label" in d}}', "x False True False True"],
  ['{{t.capitalize()}} {{s.title()}} {{"ABC def"|capitalize}}', "True story   They'Re Here, 🙂 É!\n Abc def"],
  ['{{"abc d\'ef x1y"|title}} {{"x1y".title()}}', "Abc D'ef X1y X1Y"],
  ['{{"xxaxx".lstrip("x")}} {{"xxaxx".rstrip("x")}} {{"xyaxy".strip("yx")}}', "axx xxa a"],
  ['{{t.replace("t","T",1)}} {{"abc".replace("","-")}} {{"abc".replace("","-",2)}}', "True story -a-b-c- -a-bc"],
  ['{{"a b  c ".split()}} {{"a,b,,c".split(",")}}', "['a', 'b', 'c'] ['a', 'b', '', 'c']"],
  ['{{"a b c".split(None,1)}} {{"a,b,c".split(",",1)}}', "['a', 'b c'] ['a', 'b,c']"],
  ['{{", ".join(l[:2])}} {{nums|join("-")}} {{"abc"|join(".")}}', "a, b'c 3-1-2 a.b.c"],
  ['{{l.index("b\'c")}} {{t.find("story")}} {{t.count("t")}} {{cp.find("x")}}', "1 5 2 2"],
  ["{% for x in nums %}{{loop.index}}:{{x}}{% if not loop.last %}, {% endif %}{% endfor %}", "1:3, 2:1, 3:2"],
  ["{% for x in nums if x > 1 %}{{loop.index0}}/{{loop.length}}={{x}};{% endfor %}", "0/2=3;1/2=2;"],
  ["{% for x in [] %}a{% else %}none{% endfor %}", "none"],
  ["{% for k, v in d.items() %}{{k}}={{v}} {% endfor %}", "text=['A', 'B'] label=k n=1 "],
  ["{% for x in nums %}{% if x == 1 %}{% continue %}{% endif %}{{x}}{% endfor %}", "32"],
  ["{% set y = n + 1 %}{{y}}{% for i in range(3) %}{% set y = i %}{{y}}{% endfor %}{{y}}", "80128"],
  ["{% if n == 8 %}a{% elif n == 7 %}b{% else %}c{% endif %}{% if e %}x{% endif %}", "b"],
  ["  {% if b %}  keep {% endif %}  \n", "    keep   \n"],
  ["  {%- if b -%}  strip {%- endif -%}  end", "stripend"],
  ["{{n}}  \n  {% if b %}\n  x\n{% endif %}\ny\n\n", "7  \n  \n  x\n\ny\n\n"],
  ['{{missing|default("d")}} {{e|default("x", true)}} {{nothing|default("x")}} {{missing|d(none)}}', "d x None None"],
  ['{{d.zip|default("no")}} {{missing is defined}} {{n is defined}} {{d.zip is undefined}}', "no False True True"],
  ["{{nothing is none}} {{n is odd}} {{t is string}} {{d is mapping}} {{g is float}}", "True True True True True"],
  ["{{range(4)|list}} {{range(1,4)|list}} {{range(5,0,-2)|list}}", "[0, 1, 2, 3] [1, 2, 3] [5, 3, 1]"],
  ['{{"12"|int+1}} {{"x"|int(5)}} {{"3.7"|int}} {{"abc"|reverse}} {{l|first}}', "13 5 3 cba a"],
  ['{{["yes","no"][0]}} {{{"a":"b"}["a"]}} {{("p","q")[1]}}', "yes b q"],
  ['{{d.get("label")}} {{d.get("zz", "dd")}} {{d.keys()|list}}', "k dd ['text', 'label', 'n']"],
  ['{{t.startswith("tr")}} {{t.endswith(("x","y"))}} {{t.removeprefix("true ")}}', "True True story"],
  ["{{objects|map(attribute='b')|join}} {{[d]|map(attribute='text.1')|list}}", "xy ['B']"],
  ["{# a comment #}x{#- y -#} z", "xz"],
  ["{{ (n + 1) * 2 - 3 }} {{ not n == 7 or b }} {{ n if n == 8 }}|", "13 True |"],
  ["plain { text } with % and \\n", "plain { text } with % and \\n"],
  [String.raw`{{t|regex_replace('\\s+', '_')}}`, "true_story"],
  [String.raw`{{s|regex_replace('[^\\w ]', '')}}`, "  Theyre HERE  é"],
  [String.raw`{{t|regex_replace('(\\w)(\\w)', '\\2\\1')}}`, "rteu tsroy"],
  [String.raw`{{t|regex_replace('(?P<a>t)(?P<b>[a-z]?)', '<\\g<b>\\g<a>>', 1)}}`, "<rt>ue story"],
  [String.raw`{{'baac'|regex_replace('a*', '-')}}`, "-b--c-"],
  [String.raw`{{'abc'|regex_replace('', '.')}}`, ".a.b.c."],
  [String.raw`{{wide|regex_replace('\\s', '_')}}`, "__x\ufeff_"],
  [String.raw`{{cp|regex_replace('.', '<\\g<0>>')}}`, "<🙂><🙃><x>"],
  [String.raw`{{'A [x] b [yy]'|regex_replace(pattern='\\[.*?\\]', repl='', count=1)}}`, "A  b [yy]"],
  [String.raw`{{'ÄÖ٣x_'|regex_replace('[\\d_]|\\W', '#')}}`, "ÄÖ#x#"],
  [String.raw`{{'a.b|c'|regex_replace('[.|]', '\\n')}}`, "a\nb\nc"],
  [String.raw`{{'Abc aBC'|regex_replace('(?i)abc', 'x')}}`, "x x"],
  [String.raw`{{'one two'|regex_replace('\\bt', 'T')}}`, "one Two"],
  [String.raw`{{'x1 '|regex_replace('\\d\\s*$', '')}}`, "x"],
  [String.raw`{{'[]]a['|regex_replace('[][]', 'o')}}`, "oooao"],
  [String.raw`{{'x\n'|regex_replace('\\s\\Z', '!')}}`, "x!"],
  [String.raw`{{'aXbX'|regex_replace('X', '$1 & \\\\')}}`, "a$1 & \\b$1 & \\"],
];

for (const [source, expected] of rendered) {
  Deno.test(`render() gives Jinja2's text when the template is ${JSON.stringify(source)}`, () => {
    assertEquals(compileTemplate(source).render(row), expected);
  });
}

/** Template and what the error must say; Jinja2 fails on all of them too. */
const failing: readonly [string, string][] = [
  ["{{missing}}", 'the row has no column "missing"; its columns are s, t, n'],
  ["{{missing ~ 'x'}}", 'no column "missing"'],
  ["{{missing == 1}}", 'no column "missing"'],
  ["{% for x in missing %}{% endfor %}", 'no column "missing"'],
  ["{% if missing %}{% endif %}", 'no column "missing"'],
  ["{{missing.strip()}}", 'no column "missing"'],
  ["{{missing|length}}", 'no column "missing"'],
  ["{{d.zip}}", "d.zip does not exist"],
  ["{{d.zip.zap is defined}}", "d.zip does not exist"],
  ["{{l[9]}}", "l[9] does not exist"],
  ["{{n.strip()}}", "an integer has no method strip()"],
  ["{{t.nope()}}", "text has no method nope(); known are strip"],
  ["{{t + 1}}", "+ does not take text and an integer"],
  ["{{nothing + 1}}", "+ does not take null and an integer"],
  ["{{objects|map(attribute='c')|list|join}}", 'a mapping has no "c"'],
  ["{{1 // 0}}", "division by zero"],
  ["{{''.split('')}}", "a separator that is not empty"],
  ["{{[]|first}}", "at least one item"],
  ["{{t.strip('a', 'b')}}", "strip has no argument 2"],
  ["{{open('x')}}", "open cannot be called"],
  ["{{l.constructor}}", "l.constructor does not exist"],
  ["{{constructor}}", 'no column "constructor"'],
  ["{{d.__proto__}}", "d.__proto__ does not exist"],
  ["{% break %}", "break outside a loop"],
  ["{{t|regex_replace('(', '')}}", 'regex_replace cannot use "("'],
  [String.raw`{{t|regex_replace('(t)', '\\2')}}`, "has no group 2"],
  [String.raw`{{t|regex_replace('t', '\\')}}`, "in the new text"],
  ["{{n|regex_replace('t', '')}}", "regex_replace expects text, and got an integer"],
];

for (const [source, expected] of failing) {
  Deno.test(`render() throws when the template is ${JSON.stringify(source)}`, () => {
    const error = assertThrows(() => compileTemplate(source).render(row), RangeError);
    assertStringIncludes(error.message, expected);
  });
}

const malformed: readonly [string, string][] = [
  ["{{a", "Unexpected end of input"],
  ["{{ a ", "Unexpected end of input"],
  ["{% if a %}x", "ends before"],
  ["{% for x in %}", "Unexpected token"],
  ["{{ a | nope }}", 'unknown filter "nope"; known are default'],
  ["{{ a is nope }}", 'unknown test "nope"'],
  ["{% macro m() %}x{% endmacro %}", "macros are not supported"],
  ["{% filter upper %}x{% endfilter %}", "filter blocks are not supported"],
  ["{% include 'x' %}", "Unknown statement type: include"],
  ["{{ 1 < 2 < 3 }}", "comparison of a comparison"],
  ["{{ a | default('x').strip() }}", "parentheses"],
  ["{{ 1.0 }}", "write 1"],
  ["{% set ns.x = 1 %}", "setting an attribute"],
  [" ".repeat(2_000), "white-space characters"],
  ["x".repeat(100_001), "exceed the limit"],
];

for (const [source, expected] of malformed) {
  Deno.test(`compileTemplate() throws when the template is ${JSON.stringify(source.slice(0, 40))}`, () => {
    const error = assertThrows(() => compileTemplate(source), SyntaxError);
    assertStringIncludes(error.message, expected);
  });
}

/** What `regex_replace` of Python does and ours refuses, rather than give another text. */
const refusedPatterns: readonly [string, string][] = [
  ["{{t|regex_replace('(?=s)', '')}}", "invalid or unsupported"],
  [String.raw`{{t|regex_replace('(t)\\1', '')}}`, "regex_replace cannot use"],
  ["{{s|regex_replace('$', '')}}", "write \\Z"],
  [String.raw`{{s|regex_replace('\\b', '')}}`, "letters other than a to z"],
  [String.raw`{{t|regex_replace('[\\W]', '')}}`, "inside brackets"],
];

for (const [source, expected] of refusedPatterns) {
  Deno.test(`render() says what regex_replace does not take when the template is ${JSON.stringify(source)}`, () => {
    const error = assertThrows(() => compileTemplate(source).render(row), RangeError);
    assertStringIncludes(error.message, expected);
  });
}

/** Templates that would run for minutes or fill the memory. */
const bombs: readonly string[] = [
  "{{ range(2000000000) }}",
  "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
  "{% for i in range(99999) %}{{ 'x' * 999 }}{% endfor %}",
  "{{ 'x' * 2000000000 }}",
  "{{ ('x' * 900000).replace('x', 'y' * 900000) }}",
  "{% set a = 'x' * 900000 %}{{ ('x' * 99999)|list|join(a) }}",
  `{{ [${"('x' * 900000),".repeat(50)}] | string }}`,
  `{% set a = [1] %}${"{% set a = [a, a] %}".repeat(60)}{{ a }}`,
  `{% set a = [1] %}${"{% set a = [a, a] %}".repeat(60)}{{ a == a }}`,
  `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`,
  `{{ ${"not ".repeat(15_000)}1 }}`,
  "{{ 9 ** 9 ** 9 ** 9 }}",
  "{{ ('a' * 900000 ~ 'b') | regex_replace('(a{1,100}){1,10}$', '') }}",
  "{{ ('a' * 900000) | regex_replace('', 'b' * 900) }}",
  "{{ 'a' | regex_replace('a{1,1000}' * 900, '') }}",
  `{{ [${"('x' * 900000)|upper,".repeat(4_000)}] | length }}`,
];

for (const [i, source] of bombs.entries()) {
  Deno.test(`render() ends with an error when the template is bomb ${i}: ${source.slice(0, 40)}`, () => {
    const start = performance.now();
    assertThrows(() => compileTemplate(source).render({}), Error);
    assert(performance.now() - start < 10_000, "it took more than ten seconds");
  });
}

Deno.test("render() throws when the row itself is nested too deeply to print", () => {
  let deep: Value = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assertThrows(() => compileTemplate("{{ deep }}").render({ deep }), RangeError);
});

Deno.test("evaluate() gives the value when the template is one expression, and text when it is not", () => {
  assertEquals(compileTemplate("{{ [d.label, t] }}").evaluate(row), ["k", "true story"]);
  assertEquals(compileTemplate("{{ n }}").evaluate(row), 7);
  assertEquals(compileTemplate("{{ n }} ").evaluate(row), "7 ");
  assertEquals(compileTemplate("").evaluate(row), "");
});

Deno.test("parsePythonLiteral() reads what Python prints when lists, quotes and escapes are mixed", () => {
  const values: Value[] = [
    ["yes", "it's", 'say "no"', "a\\b\n\t\x00é"],
    [],
    [["nested"], { k: [1, -2.5, true, null] }],
    "text",
    12,
  ];
  for (const value of values) {
    assertEquals(parsePythonLiteral(typeof value === "string" ? `'${value}'` : pythonText(value)), value);
  }
  assertEquals(parsePythonLiteral(" ( 'a' , \"b\" 'c' , ) "), ["a", "bc"]);
  assertEquals(parsePythonLiteral("('a')"), "a");
  assertEquals(parsePythonLiteral("'\\x41\\u00e9\\U0001f642\\q'"), "Aé🙂\\q");
});

Deno.test("parsePythonLiteral() throws and says where when the text is no literal", () => {
  const cases: [string, string][] = [
    ["", "a Python literal at character 0"],
    ["yes", 'found "yes"'],
    ["['a' 1]", '"," or "]" at character 5'],
    ["['a", "a closing '"],
    ["['a'] x", "nothing more"],
    ["{1: 2}", "a name in quotes"],
    ["'\\u12'", "4 hexadecimal digits"],
    ["[".repeat(5_000), "levels of lists"],
    ["__import__('os')", "a Python literal"],
  ];
  for (const [text, expected] of cases) {
    assertStringIncludes(assertThrows(() => parsePythonLiteral(text), SyntaxError).message, expected);
  }
});

Deno.test("trimEnd() and countCodePoints() follow Python when characters are unusual", () => {
  assertEquals(trimEnd("a \u00a0\u2003\x1c\n"), "a");
  assertEquals(trimEnd("a\ufeff"), "a\ufeff");
  assertEquals(countCodePoints("🙂é"), 2);
});

Deno.test("equals() compares content when values are nested and never mixes text with numbers", () => {
  const same = (a: Value, b: Value) => equals(a, b, () => {});
  assert(same({ a: [1, "x"] }, { a: [1, "x"] }));
  assert(same(true, 1));
  assert(!same("1", 1));
  assert(!same({ a: 1 }, { b: 1 }));
  assert(!same([], {}));
  assert(!same(null, false));
});
