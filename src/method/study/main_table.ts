/**
 * The main table: the paper's protocol beside other rankings of neurons at the same grid, budget and selection rule, and
 * beside prompting with the same examples.
 */
import type { Example } from "../../tasks/example.ts";
import { createRandom } from "../../tasks/random.ts";
import { gradientActivationScores, meanActivationScores, randomScores, weightMagnitudeScores } from "../baselines.ts";
import { negateScores, type NeuronScores } from "../neuron_scores.ts";
import { type ArmPlan, type Attempt, attemptFromSearch, compareArms, type Comparison } from "./comparison.ts";
import { type Draw, drawsOf, scoreDraw, searchDraw, stepOf, type StudySubject } from "./subject.ts";

/** A ranking of neurons that is compared with Integrated Gradients. */
interface Rival {
  readonly name: string;
  readonly about: string;
  /** Whether every draw has the same scores. */
  readonly isConstant?: boolean;
  /** Scores for a draw; null where this ranking does not exist for the site. */
  score(subject: StudySubject, draw: Draw, step: string): Promise<NeuronScores> | null;
}

const rivals: readonly Rival[] = [
  {
    name: "random",
    about: "a random order of neurons",
    score: ({ engine, settings }, { seed }) => {
      const scores = randomScores(engine.config, settings.score.site, createRandom(seed));
      return Promise.resolve({ ...scores, scored: settings.score.layers });
    },
  },
  {
    name: "lowest attribution",
    about: "the same scores, lowest first",
    score: async (subject, { examples }, step) => negateScores((await scoreDraw(subject, examples, step)).scores),
  },
  {
    name: "weight magnitude",
    about: "the Euclidean norm of a neuron's weights, largest first",
    isConstant: true,
    score: ({ checkpoint, settings }) => weightMagnitudeScores(checkpoint, settings.score.site),
  },
  {
    name: "mean |activation|",
    about: "the mean size of a neuron's activation on the examples, largest first",
    score: (subject, { examples }, step) => {
      const { site } = subject.settings.score;
      return site === "down"
        ? null
        : meanActivationScores(subject.engine, examples, { site, ...stepOf(subject, step) });
    },
  },
  {
    name: "gradient x activation",
    about: "the gradient at the unmodified model times the activation, highest first",
    score: (subject, { examples }, step) =>
      gradientActivationScores(subject.engine, examples, { ...subject.settings.score, ...stepOf(subject, step) }),
  },
];

/** Tokens of the prompt and its longest choice. */
function tokensOf({ prompt, choices }: Example): number {
  return prompt.length + Math.max(...choices.map((choice) => choice.length));
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

/** Attempts of a ranking; null where it does not exist for the site. */
async function rivalAttempts(subject: StudySubject, rival: Rival, draws: readonly Draw[]): Promise<Attempt[] | null> {
  const attempts: Attempt[] = [];
  let constant: NeuronScores | null = null;
  for (const draw of draws) {
    const step = `${rival.name}, seed ${draw.seed}`;
    const scores: NeuronScores | null = constant ?? await rival.score(subject, draw, step);
    if (scores === null) return null;
    if (rival.isConstant) constant = scores;
    attempts.push(attemptFromSearch(draw, await searchDraw(subject, draw.examples, scores, step), null));
  }
  return attempts;
}

/** Prompting with the draw's examples, as many of them as fit into the model's positions; null where none does. */
async function promptingArm(subject: StudySubject, draws: readonly Draw[]): Promise<ArmPlan | null> {
  const { testWithWorked, engine: { config } } = subject;
  if (!testWithWorked) return null;
  const longest = subject.test.reduce((a, b) => tokensOf(b) > tokensOf(a) ? b : a).id;
  const attempts: Attempt[] = [];
  const used: number[] = [];
  for (const draw of draws) {
    for (let count = draw.examples.length; count > 0; count--) {
      subject.signal?.throwIfAborted();
      const examples = draw.examples.slice(0, count);
      const ids = examples.map(({ id }) => id);
      const fits = (asked: readonly Example[]) => asked.every((example) => tokensOf(example) <= config.maxPositions);
      // The longest question alone tells nearly always, and cheaply.
      if (!fits(await testWithWorked(ids, [longest]))) continue;
      const test = await testWithWorked(ids);
      if (!fits(test)) continue;
      used.push(count);
      attempts.push({
        draw,
        scoredOn: examples,
        intervention: [],
        chosen: null,
        tiedOnAccuracy: null,
        tried: 0,
        worstCompletenessError: null,
        test,
      });
      break;
    }
  }
  if (attempts.length < draws.length) return null;
  const [least, most] = [Math.min(...used), Math.max(...used)];
  const size = draws[0].examples.length;
  const isPartial = least < size;
  return {
    name: "few-shot prompt",
    about: isPartial
      ? `no weights change; ${
        least === most ? least : `${least} to ${most}`
      } of the ${size} examples stand in front of ` +
        `each question, for more do not fit into ${config.maxPositions} positions`
      : "no weights change; the examples stand in front of each question",
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
  for (const rival of rivals) {
    const attempts = await rivalAttempts(subject, rival, draws);
    if (attempts) arms.push({ name: rival.name, about: rival.about, attempts });
  }
  const prompting = await promptingArm(subject, draws);
  if (prompting) arms.push(prompting);
  return await compareArms(subject, arms, "main table");
}
