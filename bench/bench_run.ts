/** What every part of the bench gets: the settings of the run, and where measurements go. */
import type { ModelName, ModelShape } from "./models.ts";
import type { Measurement, Part } from "./record.ts";
import { median, quantile } from "./statistics.ts";

/** One run of the bench. */
export interface BenchRun {
  /** Sizes that only prove that everything works. */
  readonly quick: boolean;
  /** The model of the parts that run whole jobs. */
  readonly model: { readonly name: ModelName | "quick"; readonly shape: ModelShape };
  /** Run the straightforward ways to their end instead of timing a sample of their work. */
  readonly exhaustive: boolean;
  /** Rounds of paired sampling. */
  readonly rounds: number;
  /** Whether a case of that name was asked for. */
  wants(name: string): boolean;
  /** Says what happens now. */
  note(line: string): void;
  /** Takes a measurement down. */
  emit(measurement: Measurement): void;
}

/** What {@link timed} is given besides the seconds. */
export type TimedFields =
  & Pick<Measurement, "case" | "contender">
  & Partial<Pick<Measurement, "reference" | "figures" | "check" | "note">>;

/** A measurement of several samples. */
export function timed(part: Part, fields: TimedFields, seconds: readonly number[]): Measurement {
  return {
    part,
    seconds: median(seconds),
    ...(seconds.length > 1 && { quartiles: [quantile(seconds, 0.25), quantile(seconds, 0.75)] as const }),
    samples: seconds.length,
    figures: {},
    check: {},
    ...fields,
  };
}

/** A measurement that could not be made, and why. */
export function absent(part: Part, name: string, contender: string, note: string): Measurement {
  return { part, case: name, contender, seconds: null, samples: 0, figures: {}, check: {}, note };
}
