/**
 * The program on a generated checkpoint of Llama-3.2-1B's shape: described, evaluated, and scored in 700 MiB of
 * weights.
 *
 * Opt-in, as `deno task test:models`: it writes 2.5 GB into a temporary folder, which it removes, and takes minutes.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { readScores } from "../../src/method/files.ts";
import { layerScores } from "../../src/method/neuron_scores.ts";
import { command } from "../cli/program.ts";
import { meanSquareError } from "../support/relative_error.ts";
import { writeGeneratedCheckpoint } from "./generated_checkpoint.ts";

const MIB = 2 ** 20;

/** `config.json` of Llama-3.2-1B, as transformers 4 writes it. */
const config = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 128000,
  eos_token_id: 128001,
  head_dim: 64,
  hidden_act: "silu",
  hidden_size: 2048,
  initializer_range: 0.02,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  mlp_bias: false,
  model_type: "llama",
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    factor: 32.0,
    high_freq_factor: 4.0,
    low_freq_factor: 1.0,
    original_max_position_embeddings: 8192,
    rope_type: "llama3",
  },
  rope_theta: 500000.0,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  use_cache: true,
  vocab_size: 128256,
};

/** The layer that is scored. */
const layer = 8;

/** Host memory that the program may take above what it holds on the GPU, in bytes. */
const hostAllowance = 512 * MIB;

const task = `task: short
dataset_path: json
dataset_kwargs: { data_files: { train: rows.jsonl } }
training_split: train
test_split: train
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: [" yes", " no"]
doc_to_target: label
target_delimiter: ""
`;
/** 16 tokens: the tokenizer has one for each byte. */
const prompt = "Is the sky blue?";

/** What a finished process left, and the most memory it had. */
interface Measured {
  // deno-lint-ignore no-explicit-any
  readonly json: any;
  /** Bytes of host memory at the peak. */
  readonly peakBytes: number;
  readonly seconds: number;
}

/** The most memory that a process of this system has had, in bytes; 0 once it is gone. */
async function residentPeak(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(status.match(/^VmHWM:\s*(\d+) kB$/m)?.[1] ?? 0) * 1024;
}

/** Runs the program, which must succeed, and watches the memory it takes. */
async function measured(...args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = command([...args, "--json"]).spawn();
  let peakBytes = 0;
  const look = async () => {
    peakBytes = Math.max(peakBytes, await residentPeak(child.pid));
  };
  const timer = setInterval(look, 20);
  try {
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    assertEquals(code, 0, decoder.decode(stderr));
    assert(peakBytes > 0, "no peak of memory could be read in /proc");
    return { json: JSON.parse(decoder.decode(stdout)), peakBytes, seconds: (performance.now() - started) / 1000 };
  } finally {
    clearInterval(timer);
  }
}

const inMiB = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;

/** Prints what the run took, and asserts that host memory is inside its bound. */
function assertBounded(what: string, { json, peakBytes, seconds }: Measured): void {
  const onGpu = json.performance.peakBytes;
  console.log(
    `${what}: ${seconds.toFixed(0)} s, ${inMiB(onGpu)} on the GPU, resident set ${inMiB(peakBytes)} ` +
      `of at most ${inMiB(onGpu + hostAllowance)}`,
  );
  assertLess(peakBytes, onGpu + hostAllowance, what);
}

/** The scores of the layer in a file that `secateur score` wrote, `[H]`. */
async function scoresIn(folder: string, model: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(model);
  try {
    const { result } = await readScores(join(folder, "scores.safetensors"), checkpoint.config);
    assertEquals([...result.scores.scored], [layer]);
    return layerScores(result.scores, layer);
  } finally {
    await checkpoint.close();
  }
}

Deno.test("secateur describes, evaluates and scores a model of 1.2 billion parameters, streamed as it does resident", async () => {
  const folder = await Deno.makeTempDir({ prefix: "secateur-models-" });
  try {
    const model = join(folder, "model");
    const started = performance.now();
    const bytes = await writeGeneratedCheckpoint(model, { config, shards: 3, seed: 1 });
    console.log(`generated: ${inMiB(bytes)} of weights in ${((performance.now() - started) / 1000).toFixed(0)} s`);
    assertEquals(bytes, 2 * 1_235_814_400);
    const taskFile = join(folder, "short.yaml");
    await Deno.writeTextFile(taskFile, task);
    await Deno.writeTextFile(join(folder, "rows.jsonl"), `${JSON.stringify({ text: prompt, label: 0 })}\n`);
    const budget = ["--weight-budget", "700MiB"];
    const work = ["--model", model, "--task", taskFile];

    const info = await measured("info", "--model", model, ...budget);
    const { memory } = info.json;
    assertEquals(info.json.problems, []);
    assertEquals([info.json.parameters, info.json.files.length, info.json.tiedHead], [1_235_814_400, 3, true]);
    assertEquals(memory.weights, "streamed");
    assertLess(memory.weightBytes, 700 * MIB);
    assert(memory.splitMatrices >= 1, "the head is larger than a binding of a software adapter");
    console.log(
      `info: ${info.seconds.toFixed(0)} s, resident set ${inMiB(info.peakBytes)}; weights ${memory.weights}, ` +
        `${inMiB(memory.weightBytes)} of ${inMiB(memory.residentWeightBytes)}, ${memory.splitMatrices} split`,
    );

    const evaluated = await measured("eval", ...work, ...budget);
    assertEquals(evaluated.json.examples.length, 1);
    for (const logProb of evaluated.json.examples[0].logProbs) assert(logProb < 0 && logProb > -40, `${logProb}`);
    assertBounded("eval, streamed", evaluated);

    const scoring = ["score", ...work, "--layers", String(layer), "--adaptation-examples", "1"];
    const streamed = await measured(...scoring, ...budget, "--out", join(folder, "streamed"));
    assertEquals(streamed.json.engine.details.weights, "streamed");
    assertLess(streamed.json.engine.details.weightBytes, 700 * MIB);
    assertBounded("score, streamed", streamed);
    const resident = await measured(...scoring, "--out", join(folder, "resident"));
    assertEquals(resident.json.engine.details.weights, "resident");
    assertBounded("score, resident", resident);

    const error = meanSquareError(
      await scoresIn(join(folder, "streamed"), model),
      await scoresIn(join(folder, "resident"), model),
    );
    console.log(`scores of layer ${layer}, streamed against resident: NMSE ${error.toExponential(1)}`);
    assertLess(error, 1e-9);
    assertEquals(streamed.json.completeness, resident.json.completeness);
    console.log(`completeness error ${resident.json.completeness.worst.toExponential(1)}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
