/** The sample-efficiency curve: the paper's protocol with more and with fewer adaptation examples. */
import { integer, list, record, type Schema } from "../schema.ts";
import { type ArmPlan, compareArms, type Comparison, comparisonSchema } from "./comparison.ts";
import { paperAttempts } from "./main_table.ts";
import { drawsOf, type StudySubject } from "./subject.ts";

/** The sample-efficiency curve. */
export interface SampleStudy {
  /** Numbers of adaptation examples, ascending; one arm each. */
  readonly sizes: readonly number[];
  /** Sizes that were asked for and are larger than the pool. */
  readonly tooLarge: readonly number[];
  /** The arms and their test answers. */
  readonly comparison: Comparison;
}

/** Reads the curve. */
export const samplesSchema: Schema<SampleStudy> = record({
  sizes: list(integer),
  tooLarge: list(integer),
  comparison: comparisonSchema,
});

/** Runs the protocol with every number of adaptation examples. A smaller plain draw is the start of a larger one. */
export async function studySamples(subject: StudySubject): Promise<SampleStudy> {
  const { pool, settings } = subject;
  const sizes = settings.sizes.filter((size) => size <= pool.length);
  const arms: ArmPlan[] = [];
  for (const size of sizes) {
    arms.push({
      name: `${size}`,
      about: `${size} adaptation examples`,
      attempts: await paperAttempts(subject, drawsOf(subject, size), `${size} examples`),
    });
  }
  return {
    sizes,
    tooLarge: settings.sizes.filter((size) => size > pool.length),
    comparison: await compareArms(subject, arms, "sample sizes"),
  };
}
