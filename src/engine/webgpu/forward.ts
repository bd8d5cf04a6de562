/** Runs forward work in waves: what examples answer under interventions, and which logits an objective looks at. */
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import type { Sweep } from "../../model/sweep.ts";
import type { WaveResult } from "../../model/wave_request.ts";
import type { Example } from "../../tasks/example.ts";
import type { Intervention, Objective, RunOptions } from "../engine.ts";
import { describeIntervention, NotFiniteError } from "../not_finite.ts";
import {
  firstTokens,
  type ForwardAnswer,
  type ForwardItem,
  forwardPlan,
  type ForwardRequest,
  type ForwardWants,
} from "./choices.ts";
import { chooseTokens, type ObjectiveTarget, objectiveValue } from "./targets.ts";
import { runWaves, type WaveLimits } from "./waves.ts";

/** What an engine runs waves with. */
export interface WaveRunner {
  readonly config: ModelConfig;
  readonly sweep: Sweep;
  readonly limits: WaveLimits;
}

/** Examples under interventions, and what is wanted of them. */
export interface ForwardCall {
  readonly examples: readonly Example[];
  readonly interventions: readonly Intervention[];
  readonly wants: ForwardWants;
  /** Stage that progress is told under. */
  readonly stage: string;
  readonly onProgress?: RunOptions["onProgress"];
}

/** What came back for one item. */
export interface ForwardOutcome {
  readonly request: ForwardRequest;
  readonly answer: ForwardAnswer;
  readonly result: WaveResult;
}

/**
 * Runs every example under every intervention.
 *
 * @throws {NotFiniteError} If a logit that an answer needs is not finite.
 * @throws {RangeError} If the examples or the interventions do not fit the model, or one of them not the memory budget.
 */
export async function runForward(
  { config, sweep, limits }: WaveRunner,
  call: ForwardCall,
  onAnswer: (item: ForwardItem, outcome: ForwardOutcome) => void,
): Promise<void> {
  const { examples, interventions, wants, stage } = call;
  const { items, plan } = forwardPlan(config, examples, interventions, wants);
  let done = 0;
  const progress = () => call.onProgress?.({ stage, done, total: items.length, unit: "prompts" });
  progress();
  await runWaves(sweep, limits, items, {
    ...plan,
    onWave: ({ items: group, request, result }) => {
      // Items are example-major and so are the answers, in the same order.
      group.forEach((item, i) => {
        const answer = request.answers[i];
        const rows = [answer.promptRow, ...answer.choicePicks.flat().map((pick) => request.picks[pick].row)];
        if (rows.some((row) => result.notFinite[row] > 0)) {
          const place = describeIntervention(interventions[item.intervention]);
          throw new NotFiniteError("logits", examples[item.example], place);
        }
        onAnswer(item, { request, answer, result });
      });
      done += group.length;
      progress();
    },
  });
}

/** Targets of an objective, and its value, by example. */
export interface CleanTargets {
  readonly targets: readonly ObjectiveTarget[];
  readonly values: ArrayLike<number>;
}

/** Targets and M of the unmodified model, or of the one under `base`. */
export async function cleanTargets(
  runner: WaveRunner,
  examples: readonly Example[],
  objective: Objective,
  signal: AbortSignal | undefined,
  base: Intervention = [],
): Promise<CleanTargets> {
  const tokens = examples.map(firstTokens);
  const targets = new Array<ObjectiveTarget>(examples.length);
  const values = new Float64Array(examples.length);
  const wants = { choices: false, tokens, signal };
  const call = { examples, interventions: [base], wants, stage: "objective" };
  await runForward(runner, call, ({ example }, { answer, result }) => {
    const row = answer.promptRow;
    const logits = Float32Array.from(answer.tokenPicks, (pick) => result.picked[pick]);
    const target = chooseTokens(objective, { argmax: result.argmax[row], firstTokens: logits }, examples[example]);
    const logitOf = (token: number | null) => {
      if (token === null) return 0;
      if (token === result.argmax[row]) return result.largest[row];
      return logits[tokens[example].indexOf(token)];
    };
    targets[example] = target;
    values[example] = objectiveValue(objective, {
      logit: logitOf(target.token),
      otherLogit: logitOf(target.other),
      largest: result.largest[row],
      logSumExp: result.logSumExp[row],
    });
  });
  return { targets, values };
}
