/**
 * A mutation fuzz run over one reader. What a run has not seen before guides it: inputs that lead to an outcome of a new kind
 * (accepted, or an error whose words differ) are kept and changed further.
 */
import { createRandom } from "../../../src/tasks/random.ts";
import type { Target } from "./targets.ts";

/** An input that was not handled as it should be. */
export interface Finding {
  readonly input: Uint8Array;
  readonly problem: string;
}

/** What a run over one reader did. */
export interface FuzzTally {
  readonly target: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly refused: number;
  /** Kinds of outcomes. */
  readonly outcomes: number;
  readonly findings: readonly Finding[];
}

/** How long a run goes on. */
export interface FuzzOptions {
  readonly seed: number;
  readonly folder: string;
  /** Asked before every input. */
  readonly isOver: (inputs: number) => boolean;
  /** Told before every input, so that a hang can be looked into. */
  readonly onInput?: (input: Uint8Array) => void;
}

/** Milliseconds beyond which an input counts as a hang; ordinary ones take about one. */
const LONGEST = 10_000;
/** Inputs kept at most. */
const MOST_KEPT = 400;

/**
 * Errors that the language makes of mistakes in the program, whatever their class. The engine of templates speaks alike of
 * mistakes in a template: "'IntegerValue' object is not iterable".
 */
const OWN_MISTAKE =
  /^Cannot (?:read propert|set propert|access|destructure|convert|mix)|(?<!' object )is not (?:a function(?!: got)|iterable|defined|a constructor)|undefined \(reading|Maximum call stack|Invalid (?:array|typed array|string) length|allocation failed/;

/** Errors of the program and of the service, which have words of their own. */
const MEANT = new Set(["ProblemError", "CommandError", "UsageError", "HubError"]);

/** Why an error is not how input should be refused, or null where it is. */
export function mistakeIn(error: unknown): string | null {
  if (!(error instanceof Error)) return `it threw ${String(error)}, which is no error`;
  if (OWN_MISTAKE.test(error.message)) return `${error.name}: ${error.message}`;
  if (MEANT.has(error.name)) return null;
  const known = error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError;
  if (!known || !error.message.startsWith("Cannot ")) return `${error.name}: ${error.message}`;
  return null;
}

/** The kind of an error: its words without numbers and quotations. */
function kindOf(error: Error): string {
  return `${error.name} ${error.message.replaceAll(/"(?:[^"\\]|\\.)*"|\d+/g, "#").slice(0, 120)}`;
}

/** Feeds changed inputs until it is over. The same seed and number of inputs give the same run. */
export async function fuzz(target: Target, { seed, folder, isOver, onInput }: FuzzOptions): Promise<FuzzTally> {
  const random = createRandom(seed);
  const { seeds } = target;
  const kept = [...seeds];
  const kinds = new Set<string>();
  const findings = new Map<string, Finding>();
  let [inputs, accepted, refused] = [0, 0, 0];
  for (; !isOver(inputs); inputs++) {
    // The seeds themselves come first, and the first one must be accepted. Half of the others are made of them: what was refused once mostly
    // is again.
    const from = random.nextBelow(2) === 0 ? seeds : kept;
    const base = from[random.nextBelow(from.length)];
    const input = inputs < seeds.length ? seeds[inputs] : target.mutate(random, base, kept);
    onInput?.(input);
    const started = performance.now();
    let kind = "accepted";
    let problem: string | null = null;
    try {
      await target.feed(input, folder);
      accepted++;
    } catch (error) {
      refused++;
      problem = mistakeIn(error);
      kind = error instanceof Error ? kindOf(error) : String(error);
      if (inputs === 0) problem ??= `the unchanged input was refused: ${error}`;
    }
    if (performance.now() - started > LONGEST) problem ??= `it took ${Math.round(performance.now() - started)} ms`;
    if (problem !== null && !findings.has(kind)) findings.set(kind, { input, problem });
    if (!kinds.has(kind)) {
      kinds.add(kind);
      if (kept.length < MOST_KEPT && input.length < 50_000) kept.push(input);
    }
  }
  return { target: target.name, inputs, accepted, refused, outcomes: kinds.size, findings: [...findings.values()] };
}
