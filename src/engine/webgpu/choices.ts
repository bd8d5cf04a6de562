/**
 * Forward work: choices, objectives and logits of examples under interventions.
 *
 * An example's prompt is a base segment; each choice of several tokens is a segment that attends to it; each
 * intervention is a set of variants spawned in the lowest layer it touches. Choices of one token need no rows of their
 * own.
 */
import { packWave } from "../../model/packing.ts";
import type { LayerMask, Segment } from "../../model/segments.ts";
import type { Pick, WaveRequest, WaveResult } from "../../model/wave_request.ts";
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import type { Example } from "../../tasks/example.ts";
import { checkExamples, checkInterventions } from "../checks.ts";
import type { Intervention } from "../engine.ts";
import { layerMasks } from "./masks.ts";

/** One example under one intervention. */
export interface ForwardItem {
  readonly example: number;
  readonly intervention: number;
}

/** What to bring back from the last prompt position, besides the choices. */
export interface ForwardWants {
  /** Score all tokens of all choices, not only what the last prompt position says. */
  readonly choices: boolean;
  /** More tokens whose logit at the last prompt position is wanted, by example. */
  readonly tokens?: readonly (readonly number[])[];
  readonly logits?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A request with the places of its answers. */
export interface ForwardRequest extends WaveRequest {
  /** Per item: final row of the last prompt position; picks of the choices' tokens; picks of the wanted tokens. */
  readonly answers: readonly ForwardAnswer[];
}

/** Where the answers of one item lie in its request. */
export interface ForwardAnswer {
  readonly promptRow: number;
  /** `[choice][token]`: index into the picks. */
  readonly choicePicks: readonly (readonly number[])[];
  readonly tokenPicks: readonly number[];
}

/** Packs items (grouped by example) into one wave. */
export function forwardRequest(
  config: ModelConfig,
  examples: readonly Example[],
  masks: readonly ReadonlyMap<number, LayerMask>[],
  items: readonly ForwardItem[],
  wants: ForwardWants,
): ForwardRequest {
  const segments: Segment[] = [];
  const asks: { prompt: number; choices: readonly (number | null)[]; example: number }[] = [];
  for (const [example, interventions] of groupByExample(items)) {
    const { prompt, choices } = examples[example];
    const wantsBase = interventions.some((intervention) => masks[intervention].size === 0);
    const add = (segment: Segment) => segments.push(segment) - 1;
    const last = prompt.length - 1;
    const tails = wants.choices
      ? choices.map((choice) => choice.subarray(0, -1))
      : choices.map(() => new Uint32Array());
    const all = (length: number) => Array.from({ length }, (_, row) => row);
    const base = add({
      length: prompt.length,
      position: 0,
      tokens: prompt,
      spawn: -1,
      asked: wantsBase ? [last] : [],
      gradient: false,
    });
    const baseTails = tails.map((tokens) =>
      tokens.length === 0 ? null : add({
        length: tokens.length,
        position: prompt.length,
        tokens,
        prefix: base,
        prefixLength: prompt.length,
        spawn: -1,
        asked: wantsBase ? all(tokens.length) : [],
        gradient: false,
      })
    );
    for (const intervention of interventions) {
      const layers = masks[intervention];
      if (layers.size === 0) {
        asks.push({ prompt: base, choices: baseTails, example });
        continue;
      }
      const variant = { spawn: Math.min(...layers.keys()), sourceRow: 0, masks: layers, gradient: false };
      const own = add({ ...variant, length: prompt.length, position: 0, source: base, asked: [last] });
      const ownTails = baseTails.map((tail, choice) =>
        tail === null ? null : add({
          ...variant,
          length: tails[choice].length,
          position: prompt.length,
          prefix: own,
          prefixLength: prompt.length,
          source: tail,
          asked: all(tails[choice].length),
        })
      );
      asks.push({ prompt: own, choices: ownTails, example });
    }
  }
  const wave = packWave(segments, { layers: config.layers, windows: config.slidingWindow });
  const wanted: Pick[] = [];
  const want = (row: number, token: number) => wanted.push({ row, token }) - 1;
  const answers = asks.map(({ prompt, choices, example }): ForwardAnswer => {
    const promptRow = wave.askedRows[prompt][0];
    return {
      promptRow,
      choicePicks: wants.choices
        ? examples[example].choices.map((tokens, choice) =>
          Array.from(tokens, (token, i) => want(i === 0 ? promptRow : wave.askedRows[choices[choice]!][i - 1], token))
        )
        : [],
      tokenPicks: (wants.tokens?.[example] ?? []).map((token) => want(promptRow, token)),
    };
  });
  // The head takes picks in row order; the answers keep the order they were asked in.
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a].row - wanted[b].row || a - b);
  const place = new Array<number>(order.length);
  order.forEach((index, at) => place[index] = at);
  return {
    wave,
    mode: { backward: false, residency: "keep", foldsOutputs: false },
    picks: order.map((index) => wanted[index]),
    wantLogits: wants.logits ?? false,
    ...(wants.signal && { signal: wants.signal }),
    answers: answers.map(({ promptRow, choicePicks, tokenPicks }) => ({
      promptRow,
      choicePicks: choicePicks.map((picks) => picks.map((pick) => place[pick])),
      tokenPicks: tokenPicks.map((pick) => place[pick]),
    })),
  };
}

/** Sum of natural-log token probabilities of each choice of an answer. */
export function choiceSums(request: ForwardRequest, answer: ForwardAnswer, result: WaveResult): Float64Array {
  return Float64Array.from(
    answer.choicePicks,
    (picks) => picks.reduce((sum, pick) => sum + result.picked[pick] - result.logSumExp[request.picks[pick].row], 0),
  );
}

/** The first tokens of an example's choices. */
export function firstTokens({ choices }: Example): number[] {
  return choices.map((choice) => choice[0]);
}

/**
 * How examples under interventions are turned into waves.
 *
 * @throws {RangeError} If the examples or the interventions do not fit the model.
 */
export function forwardPlan(
  config: ModelConfig,
  examples: readonly Example[],
  interventions: readonly Intervention[],
  wants: ForwardWants,
) {
  checkExamples(config, examples);
  checkInterventions(config, interventions);
  const masks: Map<number, LayerMask>[] = interventions.map((intervention) => layerMasks(config, intervention));
  return {
    items: examples.flatMap((_, example) => interventions.map((_, intervention) => ({ example, intervention }))),
    plan: {
      requests: (group: readonly ForwardItem[]) => [forwardRequest(config, examples, masks, group, wants)],
      rows: ({ example }: ForwardItem) => {
        const { prompt, choices } = examples[example];
        return choices.reduce((sum, choice) => sum + choice.length - 1, prompt.length);
      },
      describe: ({ example }: ForwardItem) => `example ${examples[example].id}`,
    },
  };
}

function groupByExample(items: readonly ForwardItem[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const { example, intervention } of items) {
    groups.set(example, [...groups.get(example) ?? [], intervention]);
  }
  return groups;
}
