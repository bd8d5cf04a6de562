/** What a plan costs: seconds and bytes from open to plan within several memory budgets, with the same scores in each. */
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { makePlans, type PlanningResult } from "../../src/method/pipeline.ts";
import { secondsSince } from "../../src/method/progress.ts";
import { makeTinyExamples } from "../../tests/support/tiny_examples.ts";
import { absent, type BenchRun, timed } from "../bench_run.ts";
import { openGeneratedModel } from "../models.ts";
import { nmse } from "../statistics.ts";

const MEBIBYTE = 2 ** 20;

/** Largest NMSE between the scores of two budgets: other waves, the same numbers but for the order of sums. */
const TOLERANCE = 1e-9;

/** Budgets in MiB, largest first: its scores are what the others are compared with. */
function budgets(run: BenchRun): readonly number[] {
  return run.model.name.startsWith("llama") ? [32768, 8192, 2048] : [1024, 256, 64];
}

/** Runs the part. */
export async function benchBudget(run: BenchRun): Promise<void> {
  const checkpoint = await openGeneratedModel(run.model.shape);
  const [count, tokens] = run.quick ? [2, 5] : [10, 48];
  const adaptation = makeTinyExamples(checkpoint.config, { count, promptTokens: [tokens, tokens], choices: 2 });
  let expected: Float32Array | null = null;
  run.note(`from open to plan: ${run.model.name}, ${count} examples of ${tokens} tokens, every layer, the whole grid`);
  for (const mebibytes of budgets(run)) {
    const name = `plan ${run.model.name} in ${mebibytes} MiB`;
    if (!run.wants(name)) continue;
    const memoryBudgetBytes = mebibytes * MEBIBYTE;
    try {
      const start = performance.now();
      const engine = await createWebGpuEngine(checkpoint, { memoryBudgetBytes });
      let planned: PlanningResult;
      try {
        planned = await makePlans({ engine, adaptation, randomSearch: false, randomDraws: 0 });
      } finally {
        await engine.close();
      }
      const seconds = secondsSince(start);
      const { values } = planned.scored.scores;
      expected ??= values;
      const peakBytes = Number(engine.info.details.peakBytes);
      const error = nmse(values, expected);
      run.emit(timed("budget", {
        case: name,
        contender: "secateur",
        figures: {
          peakBytes,
          budgetBytes: memoryBudgetBytes,
          scoreSeconds: planned.scored.seconds,
          searchSeconds: planned.searched.seconds,
          worstCompletenessError: planned.scored.completenessError.worst,
        },
        check: { nmse: error },
        ...(peakBytes > memoryBudgetBytes && { note: "ABOVE THE BUDGET" }),
        ...(!(error <= TOLERANCE) && { note: `THE SCORES DIFFER: NMSE above ${TOLERANCE}` }),
      }, [seconds]));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      run.emit(absent("budget", name, "secateur", `does not fit: ${error.message}`));
    }
  }
  await checkpoint.close();
}
