/** `answers.json`: what the unmodified and the pruned model answer to every test example. No time, no device. */
import type { Example } from "../tasks/example.ts";
import { bestChoice, choiceScores, isRight, type Metric } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";
import { formatJson } from "./json.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import { type Infer, integer, list, nullable, number, oneOf, parseDocument, record, text } from "./schema.ts";

const format = "secateur-answers";
const version = 1;

/** Natural-log probabilities of an example's choices `[C]`; null for an impossible one, which JSON cannot write. */
const logProbsSchema = list(nullable(number));

const answersSchema = record({
  format: oneOf(format),
  version: oneOf(version),
  provenance: provenanceSchema,
  examples: list(record({
    id: text,
    /** Indices of all right choices. */
    golds: list(integer),
    /** Characters of each choice, which `acc_norm` divides by `[C]`. */
    characters: list(integer),
    /** Bytes of each choice in UTF-8, which `acc_bytes` divides by `[C]`. */
    bytes: list(integer),
    unpruned: logProbsSchema,
    pruned: logProbsSchema,
  })),
});

/** The content of `answers.json`. */
export type Answers = Infer<typeof answersSchema>;

/** One example of `answers.json`. */
export type AnsweredExample = Answers["examples"][number];

/** Puts the answers of both models beside each other. */
export function describeAnswers(
  examples: readonly Example[],
  { unpruned, pruned }: { readonly unpruned: Evaluation; readonly pruned: Evaluation },
  provenance: Provenance,
): Answers {
  const finite = (logProbs: Float64Array) => Array.from(logProbs, (value) => Number.isFinite(value) ? value : null);
  return {
    format,
    version,
    provenance,
    examples: examples.map(({ id, gold, golds, choiceCharacters, choiceBytes }, index) => ({
      id,
      golds: [...golds ?? [gold]],
      characters: [...choiceCharacters],
      bytes: [...choiceBytes ?? choiceCharacters],
      unpruned: finite(unpruned.logProbs[index]),
      pruned: finite(pruned.logProbs[index]),
    })),
  };
}

/** Answers as the text of `answers.json`. */
export function serialiseAnswers({ provenance, examples }: Answers): string {
  return formatJson({ format, version, provenance: { ...provenance }, examples });
}

/**
 * Reads the text of an `answers.json`.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is no such file, or an example does not have one number for each of its choices.
 */
export function parseAnswers(what: string, content: string | Uint8Array): Answers {
  const answers = parseDocument(what, content, answersSchema);
  for (const { id, golds, characters, bytes, unpruned, pruned } of answers.examples) {
    const choices = characters.length;
    const fits = [bytes, unpruned, pruned].every(({ length }) => length === choices);
    if (!fits || golds.length === 0 || golds.some((gold) => gold >= choices)) {
      throw new SyntaxError(`Cannot parse ${what}: example ${id} does not have ${choices} choices throughout`);
    }
  }
  return answers;
}

/** An answered example as far as scoring looks at it: its tokens are not stored. */
function asExample({ id, golds, characters, bytes }: AnsweredExample): Example {
  return {
    id,
    prompt: new Uint32Array(),
    choices: characters.map(() => new Uint32Array()),
    choiceCharacters: characters,
    choiceBytes: bytes,
    gold: golds[0],
    golds,
  };
}

/** Which of the two models answered. */
export type AnsweringModel = "unpruned" | "pruned";

/** What a metric compares, one number per choice `[C]`. */
export function answerScores(answered: AnsweredExample, model: AnsweringModel, metric: Metric): Float64Array {
  return choiceScores(answered[model].map((value) => value ?? -Infinity), asExample(answered), metric);
}

/** The choice of a model, and whether it is right. */
export function findAnswer(
  answered: AnsweredExample,
  model: AnsweringModel,
  metric: Metric,
): { readonly choice: number; readonly isRight: boolean } {
  const choice = bestChoice(answerScores(answered, model, metric));
  return { choice, isRight: isRight(asExample(answered), choice) };
}
