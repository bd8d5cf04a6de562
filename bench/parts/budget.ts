/**
 * What a plan costs: seconds and bytes from open to plan within several memory budgets, with the same scores in each;
 * and on the demo's model, which answers real questions, seconds for each test question that the plan puts right.
 */
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { makePlans, type PlanningResult, runPipeline } from "../../src/method/pipeline.ts";
import { secondsSince } from "../../src/method/progress.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { makeTinyExamples } from "../../tests/support/tiny_examples.ts";
import { absent, type BenchRun, timed } from "../bench_run.ts";
import { openGeneratedModel } from "../models.ts";
import { nmse } from "../statistics.ts";

/** Name of the case on the demo's model. */
const DEMO = "plan demo";

const MEBIBYTE = 2 ** 20;

/** Largest NMSE between the scores of two budgets: other waves, the same numbers but for the order of sums. */
const TOLERANCE = 1e-9;

/** Budgets in MiB, largest first: its scores are what the others are compared with. */
function budgets(run: BenchRun): readonly number[] {
  if (run.quick) return [1024, 64];
  return run.model.name.startsWith("llama") ? [32768, 8192, 2048] : [1024, 256, 64];
}

/** Runs the part. */
export async function benchBudget(run: BenchRun): Promise<void> {
  await benchBudgets(run);
  if (!run.quick && run.wants(DEMO)) await benchDemo(run);
}

async function benchBudgets(run: BenchRun): Promise<void> {
  const wanted = budgets(run).map((mebibytes) => ({ mebibytes, name: `plan ${run.model.name} in ${mebibytes} MiB` }))
    .filter(({ name }) => run.wants(name));
  if (wanted.length === 0) return;
  const checkpoint = await openGeneratedModel(run.model.shape);
  const [count, tokens] = run.quick ? [2, 5] : [10, 48];
  const adaptation = makeTinyExamples(checkpoint.config, { count, promptTokens: [tokens, tokens], choices: 2 });
  let expected: Float32Array | null = null;
  run.note(`from open to plan: ${run.model.name}, ${count} examples of ${tokens} tokens, every layer, the whole grid`);
  for (const { mebibytes, name } of wanted) {
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

/** From open to plan on the bundled model, and what the plan does to its test questions. */
async function benchDemo(run: BenchRun): Promise<void> {
  const path = (name: string) => fileURLToPath(new URL(`../../examples/demo/${name}`, import.meta.url));
  run.note("from open to plan: the demo's model and task, ten examples, and every test question before and after");
  const start = performance.now();
  const checkpoint = await openCheckpoint(path("model"));
  const task = await loadTask(path("task/demo.yaml"), { tokenizer: await loadTokenizer(path("model")) });
  const engine = await createWebGpuEngine(checkpoint);
  try {
    const adaptation = await task.sample("adaptation", { count: 10, seed: 0, sampling: "balanced" });
    const test = await task.examples(task.evaluationSplit);
    const opened = secondsSince(start);
    const { test: { unpruned, pruned }, seconds } = await runPipeline({
      engine,
      adaptation,
      test,
      randomSearch: false,
      randomDraws: 0,
    });
    const right = ({ scores }: typeof pruned) => scores.acc.correct.filter(Boolean).length;
    const gained = right(pruned) - right(unpruned);
    const toPlan = opened + seconds.score + seconds.search;
    run.emit(timed("budget", {
      case: DEMO,
      contender: "secateur",
      figures: {
        peakBytes: Number(engine.info.details.peakBytes),
        scoreSeconds: seconds.score,
        searchSeconds: seconds.search,
        testQuestions: test.length,
        rightBefore: right(unpruned),
        rightAfter: right(pruned),
        ...(gained > 0 && { perAnswerGainedSeconds: toPlan / gained }),
      },
    }, [toPlan]));
  } finally {
    await engine.close();
    await checkpoint.close();
  }
}
