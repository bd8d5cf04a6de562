/** How work would run: its waves, their operations and their bytes, from shapes alone. */
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import { allocatedBytes } from "../../gpu/memory.ts";
import { buffersToRelease, totalBytes } from "../../model/buffers.ts";
import { waveFlops } from "../../model/cost.ts";
import type { WaveRequest } from "../../model/wave_request.ts";
import type { Example } from "../../tasks/example.ts";
import { checkPairs, checkRule } from "../checks.ts";
import type { ForecastOptions, WaveForecast } from "../engine.ts";
import { baseMasks, everyPair, pathPlan, pathPoints } from "./attribution.ts";
import { splitPrompts } from "../prompts.ts";
import { firstTokens, forwardPlan } from "./choices.ts";
import { cutWaves, type WaveLimits, type WavePlan, type WaveSizer } from "./waves.ts";

/** What a forecast depends on. */
export interface ForecastBasis {
  readonly config: ModelConfig;
  readonly sizer: WaveSizer;
  readonly limits: WaveLimits;
}

/**
 * The waves that work would run in, in order, without running them.
 *
 * @throws {RangeError} If a single unit of work does not fit.
 */
export function forecastWork(
  basis: ForecastBasis,
  examples: readonly Example[],
  { attribute, interventions = [] }: ForecastOptions,
): WaveForecast[] {
  const { config, sizer, limits } = basis;
  const waves: WaveForecast[] = [];
  const add = <T, Request extends WaveRequest>(items: readonly T[], plan: Omit<WavePlan<T, Request>, "onWave">) => {
    for (const { request } of cutWaves(sizer, limits, items, plan)) waves.push(forecastWave(basis, request));
  };
  if (attribute) {
    const { rule, site = "gate", positions = "all", objective = "max-logit", path = "layer", base = [] } = attribute;
    const joint = path === "joint";
    const pairs = attribute.pairs ?? everyPair(config, examples.length);
    checkRule(rule);
    checkPairs(config, examples.length, pairs, joint);
    const used = [...new Set(pairs.map((pair) => pair.example))].map((example) => examples[example]);
    if (!attribute.ends) {
      const clean = forwardPlan(config, used, [base], { choices: false, tokens: used.map(firstTokens) });
      add(clean.items, clean.plan);
    }
    // Which tokens the targets are makes no difference to the work, but a margin looks at two of them.
    const target = { token: 0, other: objective === "margin" ? 0 : null };
    const targets = examples.map(() => target);
    const points = pathPoints(pairs, rule, joint, !attribute.ends);
    const masks = baseMasks(config, base);
    add(points, pathPlan({ config, examples, targets, masks, rule, site, positions, objective, signal: undefined }));
  }
  if (interventions.length > 0) {
    const { items, plan } = forwardPlan(config, splitPrompts(examples).examples, interventions, { choices: true });
    add(items, plan);
  }
  return waves;
}

function forecastWave({ config, sizer }: ForecastBasis, request: WaveRequest): WaveForecast {
  const { wave, mode } = request;
  const sizes = sizer.sizes(request);
  return {
    rows: wave.layers.map((layer) => layer.outRows),
    residency: mode.backward ? mode.residency : "none",
    flops: waveFlops(config, wave, mode),
    bytes: totalBytes(sizes),
    buffers: new Map([...sizes].map(([name, bytes]) => [name, allocatedBytes(bytes)])),
    overheadBytes: sizer.overheadBytes(request),
  };
}

/**
 * The most bytes that will be on the GPU while some waves run one after the other, on an engine that has run none:
 * buffers of one wave are kept for the next while they fit.
 *
 * @param fixedBytes Bytes that are there all the time, weights above all.
 * @param workingBudgetBytes Bytes that a wave may take beside them.
 */
export function predictPeakBytes(
  waves: Iterable<WaveForecast>,
  { fixedBytes, workingBudgetBytes }: { readonly fixedBytes: number; readonly workingBudgetBytes: number },
): number {
  const held = new Map<string, number>();
  let peak = 0;
  let overhead = 0;
  for (const { buffers, overheadBytes } of waves) {
    for (const name of buffersToRelease(held, buffers, workingBudgetBytes - overheadBytes)) held.delete(name);
    for (const [name, size] of buffers) if (!held.has(name)) held.set(name, size);
    // The table of angles stays as large as it once was.
    overhead = Math.max(overhead, overheadBytes);
    peak = Math.max(peak, Math.min(totalBytes(held) + overhead, workingBudgetBytes));
  }
  return fixedBytes + peak;
}
