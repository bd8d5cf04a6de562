/** Loads the golden checkpoints of `tests/golden/`: tiny models with float64 reference values of every result. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readSafetensorsHeader, readTensorF64 } from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";

/** Every golden set; `tests/golden/README.md` describes them. */
export const GOLDEN_NAMES = [
  "granite_tied_bf16",
  "llama_sharded_bf16",
  "llama_tied_f32",
  "mistral_window_bf16",
  "phi3_bf16",
  "qwen2_tied_f16",
  "qwen3_tied_bf16",
  "smollm3_tied_bf16",
] as const;

/** The name of a golden set. */
export type GoldenName = typeof GOLDEN_NAMES[number];

/** A reference tensor, row-major. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A golden checkpoint and its reference values. */
export interface Golden {
  readonly name: GoldenName;
  /** Folder with `config.json`, `config.v5.json` and the weights. */
  readonly folder: string;
  readonly family: string;
  /** Whether 64 Gauss-Legendre nodes do not resolve every path; then the `*_gl512` tensors are the exact ones. */
  readonly stiff: boolean;
  /** Token ids of the four prompts. */
  readonly prompts: readonly (readonly number[])[];
  /** Token ids of three continuations of each prompt `[prompt][continuation][..]`. */
  readonly continuations: readonly (readonly (readonly number[])[])[];
  /** The prompt for which `hidden_in`, `hidden_out` and `logits_all` are given. */
  readonly detailPrompt: number;
  /** Arg max of the clean logits at the last position of each prompt. */
  readonly targetTokens: readonly number[];
  /** Names of all reference tensors. */
  readonly tensorNames: readonly string[];
  /** A reference tensor, integers as f64. Throws when there is none of that name. */
  tensor(name: string): GoldenTensor;
}

/** The folder of a golden set. */
export function goldenFolder(name: GoldenName): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}

/** Reads all reference values of a golden set. */
export async function loadGolden(name: GoldenName): Promise<Golden> {
  const folder = goldenFolder(name);
  const description = JSON.parse(await readFile(`${folder}/golden.json`, "utf8"));
  const source = memorySource(`${folder}/golden.safetensors`, await readFile(`${folder}/golden.safetensors`));
  const header = await readSafetensorsHeader(source);
  const tensors = new Map<string, GoldenTensor>();
  for (const tensorName of header.tensors.keys()) {
    tensors.set(tensorName, await readTensorF64(source, header, tensorName));
  }
  return {
    name,
    folder,
    family: description.family,
    stiff: description.stiff,
    prompts: description.prompts,
    continuations: description.continuations,
    detailPrompt: description.detail_prompt,
    targetTokens: description.target_token,
    tensorNames: [...tensors.keys()],
    tensor(tensorName) {
      const tensor = tensors.get(tensorName);
      if (!tensor) throw new RangeError(`Golden set ${name} has no tensor ${tensorName}`);
      return tensor;
    },
  };
}
