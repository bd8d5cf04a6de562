/**
 * How many steps a regular expression may take from one place of a text before it has matched or failed, in the worst
 * case and without running it.
 */

/** What is known of a part of a pattern. */
interface Part {
  /** In how many ways it may match, so how often what follows may be tried. */
  readonly ways: number;
  /** Steps of all ways together. */
  readonly steps: number;
  /** Whether it may match without taking a character. */
  readonly mayBeEmpty: boolean;
  /** Whether it matches everywhere. */
  readonly isCertain: boolean;
}

/**
 * What comes behind a part. `open` may fail, and then the part is tried in its other ways. `matched` cannot fail, so
 * the first way stays, and its characters are not looked at again; `looked` cannot fail either, but stands in a look
 * ahead, whose characters are.
 */
type Behind = "open" | "matched" | "looked";

/** A part that is not measured yet, for what comes behind it decides. */
type Node = (behind: Behind) => Part;

const TOKEN = new RegExp(
  [
    String.raw`\[(?:\\[^]|[^\]\\])*\]`, // a class
    String.raw`\\(?:[pPu]\{[^}]*\}|k<[^>]*>|[^])`, // an escape
    String.raw`\((?:\?(?:<?[=!]|<[^>]*>|[a-z-]*:))?`, // what opens a group
    String.raw`(?:[*+?]|\{\d+(?:,\d*)?\})\??`, // a repetition
    "[^]",
  ].join("|"),
  "gu",
);

/** Deepest nesting of groups. */
const DEEPEST = 100;

const one: Part = { ways: 1, steps: 1, mayBeEmpty: false, isCertain: false };
const character: Node = () => one;
const assertion: Node = () => ({ ...one, mayBeEmpty: true });
const unbounded: Node = () => ({ ...one, ways: Infinity, steps: Infinity });

/** Measures a part once for each of what may come behind it. */
function once(node: Node): Node {
  const known = new Map<Behind, Part>();
  return (behind) => {
    const part = known.get(behind) ?? node(behind);
    known.set(behind, part);
    return part;
  };
}

/** One behind the other. */
function sequence(nodes: readonly Node[]): Node {
  return (behind) => {
    const parts: Part[] = [];
    let isCertain = true;
    for (const node of nodes.toReversed()) {
      const part = node(isCertain ? behind : "open");
      isCertain &&= part.isCertain;
      parts.push(part);
    }
    parts.reverse();
    // From where nothing can fail any more, nothing is tried twice.
    const firstCertain = parts.findLastIndex((part) => !part.isCertain) + 1;
    let ways = 1;
    let steps = 0;
    for (const [i, part] of parts.entries()) {
      steps += part.steps * (i >= firstCertain && behind !== "open" ? 1 : ways);
      ways *= part.ways;
    }
    return { ways, steps, isCertain, mayBeEmpty: parts.every((part) => part.mayBeEmpty) };
  };
}

function alternatives(nodes: readonly Node[]): Node {
  if (nodes.length === 1) return nodes[0];
  return (behind) => {
    const parts = nodes.map((node) => node(behind));
    return {
      ways: parts.reduce((sum, part) => sum + part.ways, 0),
      steps: parts.reduce((sum, part) => sum + part.steps, 0),
      mayBeEmpty: parts.some((part) => part.mayBeEmpty),
      isCertain: parts.some((part) => part.isCertain),
    };
  };
}

/** A look ahead or behind: what was found there is not looked for in another way. */
function look(inner: Node, isBehind: boolean): Node {
  // Behind, the first part comes last.
  const { steps } = inner(isBehind ? "open" : "looked");
  return () => ({ ways: 1, steps: steps + 1, mayBeEmpty: true, isCertain: false });
}

function repetition(inner: Node, least: number, most: number, longest: number): Node {
  const times = Math.min(most, longest);
  return (behind) => {
    const open = inner("open");
    const facts = { mayBeEmpty: least === 0 || open.mayBeEmpty, isCertain: least === 0 };
    // JavaScript takes an empty turn back, so nothing is certain about what may be one.
    if (behind !== "open" && !open.mayBeEmpty) {
      const last = inner(behind);
      const before = least > 1 ? open.ways ** (least - 1) : 1;
      const steps = (least > 1 ? open.steps * (least - 1) * before : 0) +
        last.steps * before * (behind === "looked" ? times : 1);
      return { ...facts, ways: 1, steps };
    }
    const ways = open.ways ** times;
    return { ...facts, ways: Math.max(1, times - least + 1) * ways, steps: Math.max(1, times) * open.steps * ways };
  };
}

/** Least and most turns of a repetition as it is written. */
function turns(token: string): readonly [number, number] {
  if (token[0] === "*") return [0, Infinity];
  if (token[0] === "+") return [1, Infinity];
  if (token[0] === "?") return [0, 1];
  const [, least, comma, most] = /^\{(\d+)(,?)(\d*)\}/.exec(token)!;
  return [Number(least), most !== "" ? Number(most) : comma === "" ? Number(least) : Infinity];
}

function parse(pattern: string, longest: number): Node {
  const tokens = pattern.match(TOKEN) ?? [];
  let at = 0;
  const parseGroup = (depth: number): Node => {
    if (depth > DEEPEST) return unbounded;
    const branches: Node[][] = [[]];
    for (; at < tokens.length && tokens[at] !== ")"; at++) {
      const token = tokens[at];
      const branch = branches.at(-1)!;
      if (token === "|") branches.push([]);
      else if (token[0] === "(") {
        at++;
        const inner = parseGroup(depth + 1);
        branch.push(/^\(\?<?[=!]$/.test(token) ? look(inner, token[2] === "<") : inner);
        if (inner === unbounded) return unbounded;
      } else if (/^(?:[*+?]|\{\d)/.test(token)) branch.push(repetition(branch.pop()!, ...turns(token), longest));
      else if (/^\\[1-9k]/.test(token)) branch.push(unbounded);
      else branch.push(/^(?:[$^]|\\[bB])$/.test(token) ? assertion : character);
    }
    return once(alternatives(branches.map(sequence)));
  };
  return parseGroup(0);
}

/**
 * Most steps of a pattern from one place of a text; infinity where they may double with every character, or where the
 * pattern looks for what it found before.
 *
 * @param pattern A regular expression with the flag `u`, as JavaScript writes it.
 * @param longest Length of the text.
 */
export function mostSteps({ source }: RegExp, longest: number): number {
  const { steps } = parse(source, longest)("matched");
  return Number.isNaN(steps) ? Infinity : steps;
}
