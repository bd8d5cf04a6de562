/**
 * The main table: the paper's protocol beside other rankings of neurons at the same grid, budget and selection rule,
 * and beside prompting with the same examples.
 */
import { type Example, tokensRead } from "../../tasks/example.ts";
import {
  type AttributionMethodName,
  attributionMethodNames,
  attributionMethods,
  scoreByMethod,
} from "../attribution_methods.ts";
import type { NeuronScores } from "../neuron_scores.ts";
import { decidingOptions } from "../score.ts";
import { type ArmPlan, type Attempt, attemptFromSearch, compareArms, type Comparison } from "./comparison.ts";
import { type Draw, drawsOf, scoreDraw, searchDraw, stepOf, type StudySubject } from "./subject.ts";

/**
 * What the main table leaves to the part that compares attributions: other forms of Integrated Gradients, and methods
 * for small models.
 */
const leftOut: readonly AttributionMethodName[] = ["integrated-gradients", "integrated-gradients-joint"];

/** The methods of the table that the paper's protocol is compared with. */
function rivalsOf({ settings }: StudySubject): AttributionMethodName[] {
  return attributionMethodNames.filter((name) => {
    const { needs } = attributionMethods[name];
    if (leftOut.includes(name) || needs === "passes" || needs === "hessians") return false;
    // A dimension of the residual stream has no activation of its own.
    return !(needs === "activations" && settings.score.site === "down");
  });
}

/** The paper's protocol, one attempt a draw; other parts of a study begin with it too. */
export async function paperAttempts(
  subject: StudySubject,
  draws: readonly Draw[],
  step: string,
  options: Parameters<typeof scoreDraw>[3] = {},
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const draw of draws) {
    const scored = await scoreDraw(subject, draw.examples, `${step}, seed ${draw.seed}`, options);
    const searched = await searchDraw(subject, draw.examples, scored.scores, `${step}, seed ${draw.seed}`);
    attempts.push(attemptFromSearch(draw, searched, scored));
  }
  return attempts;
}

/** Attempts of a method of the table. */
async function rivalAttempts(
  subject: StudySubject,
  name: AttributionMethodName,
  draws: readonly Draw[],
): Promise<Attempt[]> {
  const { engine, checkpoint } = subject;
  const score = decidingOptions(subject.settings.score);
  const { needs } = attributionMethods[name];
  const attempts: Attempt[] = [];
  let scores: NeuronScores | null = null;
  for (const { seed, examples } of draws) {
    const step = `${name}, seed ${seed}`;
    // Weights are the same in every redraw; reading those of a large model takes long.
    if (scores === null || needs !== "weights") {
      const input = { engine, checkpoint, examples, score, seed, ...stepOf(subject, step) };
      scores = (await scoreByMethod(name, input)).scores;
    }
    attempts.push(attemptFromSearch({ seed, examples }, await searchDraw(subject, examples, scores, step), null));
  }
  return attempts;
}

/**
 * Prompting with the draw's examples, as many of them as fit into the model's positions; null where it cannot be had.
 * A question that had to be cut leaves no room for any: cutting the longer prompt would cut the examples off again, so
 * it is asked without.
 *
 * @returns The arm, or why there is none.
 */
async function promptingArm(subject: StudySubject, draws: readonly Draw[]): Promise<ArmPlan | string | null> {
  const { testWithWorked, test: plain, engine: { config } } = subject;
  if (!testWithWorked) return null;
  const roomy = plain.filter(({ cutTokens }) => cutTokens === undefined);
  const limit = `${config.maxPositions} positions`;
  if (roomy.length === 0) return `few-shot prompt, for every question alone is cut to fit into ${limit}`;
  const roomyIds = roomy.map(({ id }) => id);
  const longest = roomy.reduce((a, b) => tokensRead(b) > tokensRead(a) ? b : a).id;
  const attempts: Attempt[] = [];
  const used: number[] = [];
  for (const draw of draws) {
    for (let count = draw.examples.length; count > 0; count--) {
      subject.signal?.throwIfAborted();
      const examples = draw.examples.slice(0, count);
      const ids = examples.map(({ id }) => id);
      const fits = (asked: readonly Example[]) => asked.every((example) => tokensRead(example) <= config.maxPositions);
      // The longest question alone tells nearly always, and cheaply.
      if (!fits(await testWithWorked(ids, [longest]))) continue;
      const worked = await testWithWorked(ids, roomyIds);
      if (!fits(worked)) continue;
      const byId = new Map(worked.map((example) => [example.id, example]));
      used.push(count);
      attempts.push({
        draw,
        scoredOn: examples,
        intervention: [],
        chosen: null,
        tiedOnAccuracy: null,
        tried: 0,
        worstCompletenessError: null,
        test: plain.map((example) => byId.get(example.id) ?? example),
      });
      break;
    }
  }
  const missing = draws.length - attempts.length;
  if (missing > 0) {
    return `few-shot prompt, for in ${missing} of ${draws.length} redraws not one example fits into ${limit} in front of ` +
      "every question";
  }
  const [least, most] = [Math.min(...used), Math.max(...used)];
  const size = draws[0].examples.length;
  const cut = plain.length - roomy.length;
  const without = cut === 0 ? "" : `; ${cut} of the ${plain.length} questions, cut to fit alone, are asked without`;
  const isPartial = least < size || cut > 0;
  return {
    name: "few-shot prompt",
    about: least < size
      ? `no weights change; ${
        least === most ? least : `${least} to ${most}`
      } of the ${size} examples in front of each ` +
        `question, for more do not fit into ${limit}${without}`
      : `no weights change; the examples in front of each question${without}`,
    attempts,
    isPartial,
  };
}

/**
 * Compares the paper's protocol with other rankings and with prompting, over every draw.
 *
 * @throws {RangeError} As `scoreNeurons` and `searchGrid`.
 */
export async function studyMain(subject: StudySubject): Promise<Comparison> {
  const draws = drawsOf(subject);
  const arms: ArmPlan[] = [{
    name: "pruned",
    about: "the paper's protocol: Integrated Gradients, highest first",
    attempts: await paperAttempts(subject, draws, "main"),
  }];
  for (const name of rivalsOf(subject)) {
    const { about } = attributionMethods[name];
    arms.push({ name, about, attempts: await rivalAttempts(subject, name, draws) });
  }
  const prompting = await promptingArm(subject, draws);
  if (typeof prompting === "string") {
    return { ...await compareArms(subject, arms, "main table"), leftOut: prompting };
  }
  if (prompting) arms.push(prompting);
  return await compareArms(subject, arms, "main table");
}
