/** A hub with one small model, an empty cache, and what tests of downloads check again and again. */
import { assert, assertRejects } from "@std/assert";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ResolvedRepository, resolveModel, type ResolveOptions } from "../../src/checkpoint/hub.ts";
import { HubError } from "../../src/checkpoint/hub_error.ts";
import type { HubTiming } from "../../src/checkpoint/hub_retry.ts";
import { HubServer, largeFile, type ServedFile, type ServedRepository, sha256, smallFile } from "./hub_server.ts";
import { withFolder } from "./temporary_folder.ts";
import { makeTinyFiles } from "./tiny_checkpoint.ts";

export const commit = "0123456789abcdef0123456789abcdef01234567";
export const id = "org/tiny-model";
export const token = "hf_NeverToBeSeen";
export const tiny = makeTinyFiles({ layers: 2 });
export const weights = tiny.weights;
export const files: Readonly<Record<string, ServedFile>> = {
  ".gitattributes": smallFile("*.safetensors filter=lfs\n"),
  "README.md": smallFile("# A model\n"),
  "config.json": smallFile(tiny.config),
  "generation_config.json": smallFile("{}"),
  "tokenizer.json": smallFile("{}\n"),
  "tokenizer_config.json": smallFile('{"bos_token": null}'),
  "additional_chat_templates/tools.jinja": smallFile("{{ messages }}"),
  "model.safetensors": largeFile(weights),
  "original/consolidated.00.pth": largeFile(new Uint8Array(9)),
  "pytorch_model.bin": largeFile(new Uint8Array(10)),
};
export const wanted = [
  "additional_chat_templates/tools.jinja",
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];
export const model: ServedRepository = { id, commit, files };
export const weightsBlob = sha256(weights);
/** Patient, so that a busy machine is not taken for a silent server or a dead process. */
export const timing: HubTiming = { stallMs: 30_000, retries: 3, backoffMs: 1, longestWaitMs: 3000, heartbeatMs: 2000 };
/** For tests of a server that falls silent. */
export const shortTiming: HubTiming = { ...timing, stallMs: 500 };

/** A hub, an empty cache, and a way to resolve with them. */
export interface Setting {
  readonly server: HubServer;
  readonly cache: string;
  /** Folder of the model in the cache. */
  readonly folder: string;
  readonly environment: Record<string, string>;
  resolve(reference?: string, options?: ResolveOptions): Promise<ResolvedRepository>;
}

export async function withHub(
  repositories: ServedRepository[],
  use: (setting: Setting) => Promise<void>,
): Promise<void> {
  await withFolder({}, async (home) => {
    const server = new HubServer(repositories);
    const environment = { HOME: home, HF_HOME: join(home, "hf"), HF_ENDPOINT: server.endpoint };
    const cache = join(home, "hf", "hub");
    try {
      await use({
        server,
        cache,
        folder: join(cache, "models--org--tiny-model"),
        environment,
        resolve: (reference = id, options = {}) => resolveModel(reference, { environment, timing, ...options }),
      });
    } finally {
      await server.close();
    }
  });
}

/** Rejects with a HubError whose message has a text and has neither the token nor a signature. */
export async function assertHubError(call: () => Promise<unknown>, text: string): Promise<HubError> {
  const error = await assertRejects(call, HubError, text);
  assert(!/NeverToBeSeen|signature|secret/.test(`${error.message}${error.stack}${error.cause}`), error.message);
  return error;
}

/** Names of the blobs folder that are not complete blobs. */
export async function partials(folder: string): Promise<string[]> {
  return (await readdir(join(folder, "blobs"))).filter((name) => name.includes("."));
}
