/** How long a job will take on an engine: a wave of each kind of its work, run and timed, and scaled by operations. */
import type { Engine, RunOptions, WaveForecast } from "../engine/engine.ts";
import { type ForecastInput, gridInterventions, type StageForecast } from "./forecast.ts";
import { engineDetail } from "./performance.ts";
import { quadratureRule } from "./quadrature.ts";
import { nodeCounts, resolveScoreSettings, scoresToCome } from "./score.ts";
import { resolveSearchSettings } from "./search.ts";

/** Work that was timed. */
export interface TimedWork {
  /** Floating-point operations that the forecast counts; element-wise ones, which it leaves out, take time too. */
  readonly flops: number;
  /** Seconds that the engine was busy with it. */
  readonly seconds: number;
}

/** Work of each kind that was timed; null where the job has none of that kind. */
export type JobSpeed = Readonly<Record<StageForecast["kind"], TimedWork | null>>;

/** A job whose speed is measured: as `forecastJob` takes it, on an engine that can run it. */
export type SpeedInput = Omit<ForecastInput, "engine"> & { readonly engine: Engine };

/** A piece of a job: its forecast, and how to run it. */
interface Sample {
  readonly waves: readonly WaveForecast[];
  readonly run: () => Promise<unknown>;
}

/** Short runs are uneven: they are repeated until they took so long together, but at most so often. */
const ENOUGH_SECONDS = 0.5;
const MOST_RUNS = 8;

/**
 * Times a wave of scoring and one of forward work. Each is the first full wave of the job, so that rows, kernels and
 * the reading of streamed layers are as they will be, and runs once before it is timed: first runs compile kernels.
 *
 * @throws {TypeError} If the engine does not run in waves.
 * @throws {RangeError} If a setting is out of range, or a single unit of work does not fit the memory budget.
 */
export async function measureSpeed(input: SpeedInput, { signal, onProgress }: RunOptions = {}): Promise<JobSpeed> {
  const { engine } = input;
  const samples = { attribution: scoringSample(input, signal), forward: forwardSample(input, signal) };
  const total = Object.values(samples).filter((sample) => sample !== null).length;
  let done = 0;
  const time = async (sample: Sample | null): Promise<TimedWork | null> => {
    if (sample === null) return null;
    onProgress?.({ stage: "time", done, total, unit: "waves" });
    await sample.run();
    const busy = () => engineDetail(engine.info, "busySeconds");
    const before = busy();
    let runs = 0;
    while (runs === 0 || (runs < MOST_RUNS && busy() - before < ENOUGH_SECONDS)) {
      await sample.run();
      runs++;
    }
    onProgress?.({ stage: "time", done: ++done, total, unit: "waves" });
    return { flops: sumFlops(sample.waves), seconds: (busy() - before) / runs };
  };
  return { attribution: await time(samples.attribution), forward: await time(samples.forward) };
}

/**
 * Seconds that a stage will keep the engine busy, at the speed of what was timed.
 *
 * @throws {RangeError} If nothing of the stage's kind was timed.
 */
export function stageSeconds({ stage, kind, waves }: StageForecast, speed: JobSpeed): number {
  const timed = speed[kind];
  if (timed === null) throw new RangeError(`Cannot tell the time of stage ${stage}: nothing of its kind was timed`);
  return sumFlops(waves) / timed.flops * timed.seconds;
}

/** The first paths of the job, as many as fit one wave; null where nothing is scored. */
function scoringSample(input: SpeedInput, signal: AbortSignal | undefined): Sample | null {
  const { engine, adaptation } = input;
  if (adaptation.length === 0) return null;
  const settings = resolveScoreSettings(input.score ?? {}, engine);
  const { site, positions, objective, path, layers } = settings;
  const rule = quadratureRule(settings.rule, nodeCounts(settings)[0]);
  const pairs = adaptation.flatMap((_, example) => layers.map((layer) => ({ example, layer })));
  // The path of all layers together cannot be parted.
  const unit = path === "joint" ? layers.length : 1;
  const options = (units: number) => {
    return { pairs: pairs.slice(0, units * unit), rule, site, positions, objective, path };
  };
  const waves = (units: number) => forecast(engine, adaptation, { attribute: options(units) });
  // Waves that keep and recompute nothing only look at the unmodified model.
  const paths = ({ residency }: WaveForecast) => residency !== "none";
  const units = largestFit(pairs.length / unit, (units) => waves(units).filter(paths).length <= 1);
  return {
    waves: waves(units),
    run: () => engine.attribute(adaptation, { ...options(units), ...(signal && { signal }) }),
  };
}

/** The first examples under the masks of the grid, as many as fit one wave; null where there are no examples. */
function forwardSample(input: SpeedInput, signal: AbortSignal | undefined): Sample | null {
  const { engine } = input;
  const examples = input.selection.length > 0 ? input.selection : input.test;
  if (examples.length === 0) return null;
  const score = resolveScoreSettings(input.score ?? {}, engine);
  const search = resolveSearchSettings(input.search ?? {}, engine, scoresToCome(score, engine.config));
  const grid = gridInterventions(engine.config, score, search);
  const waves = (count: number, masks: number) =>
    forecast(engine, examples.slice(0, count), { interventions: grid.slice(0, masks) });
  const count = largestFit(examples.length, (count) => waves(count, grid.length).length <= 1);
  const masks = largestFit(grid.length, (masks) => waves(count, masks).length <= 1);
  return {
    waves: waves(count, masks),
    run: () => engine.choiceLogProbs(examples.slice(0, count), grid.slice(0, masks), { ...(signal && { signal }) }),
  };
}

function forecast(engine: Engine, ...work: Parameters<NonNullable<Engine["forecast"]>>): WaveForecast[] {
  if (!engine.forecast) throw new TypeError(`Cannot time waves: the ${engine.info.kind} engine does not run in waves`);
  return engine.forecast(...work);
}

/** `count`, halved until it fits; 1 where nothing does. */
function largestFit(count: number, fits: (count: number) => boolean): number {
  let fitting = count;
  while (fitting > 1 && !fits(fitting)) fitting = Math.ceil(fitting / 2);
  return fitting;
}

function sumFlops(waves: readonly WaveForecast[]): number {
  return waves.reduce((sum, { flops }) => sum + flops, 0);
}
