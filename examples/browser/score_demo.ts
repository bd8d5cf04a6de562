/** Scores the neurons of the demo model on ten rows of its task, in any runtime: a browser, Deno, Node. */
import { buildExample, type ByteSource, createTokenizer, type Engine, openCheckpointFrom } from "../../core.ts";
import { evaluate, openEngine, type OpenEngineOptions, scoreNeurons } from "../../core.ts";

/** What came of it. */
export interface DemoScores {
  /** What computed. */
  readonly adapter: Engine["info"]["adapter"];
  /** Layers L and neurons of each H. */
  readonly shape: readonly [number, number];
  /** Score of every neuron `[L*H]`. */
  readonly scores: readonly number[];
  readonly worstCompletenessError: number;
  /** Share of the rows that the unpruned model answers right. */
  readonly accuracy: number;
  readonly seconds: number;
}

const exampleCount = 10;
const verdicts = ["negative", "positive"];

/** All of a source as text. */
async function readText(source: ByteSource): Promise<string> {
  const bytes = new Uint8Array(source.size);
  await source.readInto(0, bytes);
  await source.close();
  return new TextDecoder().decode(bytes);
}

/**
 * Scores the demo model.
 *
 * @param open Opens a file of `examples/demo`, such as `model/config.json`.
 */
export async function scoreDemo(
  open: (path: string) => Promise<ByteSource>,
  options: OpenEngineOptions = {},
): Promise<DemoScores> {
  const read = async (path: string) => await readText(await open(path));
  const tokenizer = createTokenizer({
    location: "the demo model",
    tokenizer: await read("model/tokenizer.json"),
    config: await read("model/tokenizer_config.json"),
  });
  const rows = (await read("task/adaptation.jsonl")).trim().split("\n").slice(0, exampleCount);
  const examples = rows.map((line, index) => {
    const { text, label } = JSON.parse(line) as { text: string; label: number };
    const continuations = verdicts.map((verdict) => ` ${verdict}`);
    return buildExample(
      { id: `adaptation/${index}`, context: `${text} Verdict:`, continuations, choices: verdicts, gold: label },
      tokenizer,
    );
  });

  const weights = await open("model/model.safetensors");
  const checkpoint = await openCheckpointFrom({
    location: "the demo model",
    config: await read("model/config.json"),
    files: new Map([["model.safetensors", weights]]),
  });
  const engine = await openEngine(checkpoint, options);
  try {
    const { onProgress, signal } = options;
    const { scores, completenessError, seconds } = await scoreNeurons(engine, examples, {
      ...(onProgress && { onProgress }),
      ...(signal && { signal }),
    });
    const [unpruned] = await evaluate(engine, examples, {});
    return {
      adapter: engine.info.adapter,
      shape: [engine.config.layers, engine.config.neurons],
      scores: Array.from(scores.values),
      worstCompletenessError: completenessError.worst,
      accuracy: unpruned.scores.acc.accuracy,
      seconds,
    };
  } finally {
    await engine.close();
    await checkpoint.close();
  }
}
