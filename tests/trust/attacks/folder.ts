/** Attacks through the folder of a checkpoint: its index, its links, what its files are, and what its weights hold. */
import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkWeights } from "../../../src/checkpoint/check_weights.ts";
import { openCheckpoint } from "../../../src/checkpoint/open.ts";
import { writePrunedCheckpoint } from "../../../src/checkpoint/prune_checkpoint.ts";
import { encodeSafetensors, type NewTensor, readSafetensorsHeader } from "../../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../../src/checkpoint/memory_source.ts";
import { createReferenceEngine } from "../../../src/engine/reference/engine.ts";
import { withFolder } from "../../support/temporary_folder.ts";
import { makeTinyFiles, type TinyOptions } from "../../support/tiny_checkpoint.ts";
import type { Attack } from "./attack.ts";

type Files = Record<string, string | Uint8Array>;

const tiny: TinyOptions = { layers: 1, width: 8, neurons: 8, queryHeads: 2, keyValueHeads: 1, headWidth: 4 };
const [a, b] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const gate = "model.layers.0.mlp.gate_proj.weight";

/** A tiny checkpoint in two shards, changed by `edit`. */
async function sharded(
  edit: (parts: { map: Record<string, unknown>; shards: Record<string, NewTensor[]> }) => void,
  index = (map: unknown): string => JSON.stringify({ metadata: { total_size: 0 }, weight_map: map }),
): Promise<Files> {
  const { config, weights } = makeTinyFiles(tiny);
  const { tensors } = await readSafetensorsHeader(memorySource("x", weights));
  const all = [...tensors.values()].map(({ name, dtype, shape, byteOffset, byteLength }): NewTensor => ({
    name,
    dtype,
    shape,
    data: weights.subarray(byteOffset, byteOffset + byteLength),
  }));
  const shards = { [a]: all.slice(0, 5), [b]: all.slice(5) };
  const map: Record<string, unknown> = Object.create(null);
  for (const [file, list] of Object.entries(shards)) for (const { name } of list) map[name] = file;
  edit({ map, shards });
  const files: Files = { "config.json": config, "model.safetensors.index.json": index(map) };
  for (const [file, list] of Object.entries(shards)) {
    files[file] = new Uint8Array(await new Blob(encodeSafetensors(list) as BlobPart[]).arrayBuffer());
  }
  return files;
}

/** Opens a checkpoint of these files, after something was done to their folder. */
async function open(files: Files, prepare?: (folder: string) => Promise<unknown>): Promise<void> {
  await withFolder({ ...files, "outside/secret.txt": "secret" }, async (folder) => {
    const model = join(folder, "model");
    await mkdir(model, { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(model, name), content);
    await prepare?.(model);
    await (await openCheckpoint(model)).close();
  });
}

const single = (): Files => {
  const { config, weights } = makeTinyFiles(tiny);
  return { "config.json": config, "model.safetensors": weights };
};

/** File names in an index that must not be opened. */
const names: readonly unknown[] = [
  "../model.safetensors",
  "../../etc/passwd",
  "/etc/passwd.safetensors",
  "sub/model.safetensors",
  "sub\\model.safetensors",
  "C:model.safetensors",
  "a:b.safetensors",
  "a\0b.safetensors",
  "a\nb.safetensors",
  ".safetensors",
  "model.safetensors/",
  "model.bin",
  "",
  "..",
  null,
  7,
  ["model.safetensors"],
  { file: "model.safetensors" },
];

const indexAttacks: readonly Attack[] = [
  ...names.map((name): Attack => ({
    name: `openCheckpoint() throws when the index names the file ${JSON.stringify(name)}`,
    attempt: async () => await open(await sharded(({ map }) => map[gate] = name)),
    error: SyntaxError,
    message: "expected a *.safetensors file beside the index",
  })),
  {
    name: "openCheckpoint() throws when the index has no weight_map",
    attempt: async () => await open(await sharded(() => {}, () => "{}")),
    error: SyntaxError,
    message: "expected an object weight_map",
  },
  {
    name: "openCheckpoint() throws when the index names a tensor twice",
    attempt: async () =>
      await open(
        await sharded(() => {}, (map) => JSON.stringify({ weight_map: map }).replace("{", `{"weight_map":{},`)),
      ),
    error: SyntaxError,
    message: '"weight_map" occurs twice',
  },
  {
    name: "openCheckpoint() throws when the index leaves a tensor out",
    attempt: async () => await open(await sharded(({ map }) => delete map[gate])),
    error: RangeError,
    message: `tensors that the index does not list: ${gate}`,
  },
  {
    name: "openCheckpoint() throws when the index lists a tensor that is nowhere",
    attempt: async () => await open(await sharded(({ map }) => map["model.extra"] = a)),
    error: RangeError,
    message: "the index lists tensors that are not there: model.extra",
  },
  {
    name: "openCheckpoint() throws when the index lists a tensor named __proto__",
    attempt: async () => await open(await sharded(({ map }) => map["__proto__"] = a)),
    error: RangeError,
    message: "the index lists tensors that are not there: __proto__",
  },
  {
    name: "openCheckpoint() throws when the index points to the other shard",
    attempt: async () => await open(await sharded(({ map }) => map[gate] = map[gate] === a ? b : a)),
    error: RangeError,
    message: `the index lists tensors that are not there: ${gate}`,
  },
  {
    name: "openCheckpoint() throws when two shards have one tensor",
    attempt: async () => await open(await sharded(({ shards }) => shards[b].push(shards[a][0]))),
    error: RangeError,
    message: `is in ${a} and in ${b}`,
  },
  {
    name: "openCheckpoint() throws when a shard has a tensor that the model has no use for",
    attempt: async () =>
      await open(
        await sharded(({ map, shards }) => {
          shards[a].push({ name: "payload", dtype: "U8", shape: [4], data: new Uint8Array(4) });
          map.payload = a;
        }),
      ),
    error: RangeError,
    message: "1 tensors that its configuration has no use for: payload",
  },
  {
    name: "openCheckpoint() throws when a shard is not there",
    attempt: async () => await open(await sharded(({ map }) => map[gate] = "model-00003-of-00002.safetensors")),
    error: RangeError,
    message: "model-00003-of-00002.safetensors",
  },
];

/** Adds a link to a folder. */
const link = (target: string, name: string) => async (folder: string) => await symlink(target, join(folder, name));

const linkAttacks: readonly Attack[] = [
  ["the weights are a link out of the folder", "model.safetensors", "../outside/secret.txt"],
  ["the tokenizer is a link out of the folder", "tokenizer.json", "../outside/secret.txt"],
  ["a file that a copy would carry away is a link out of the folder", "notes.txt", "../outside/secret.txt"],
  ["a link is absolute", "notes.txt", "/etc/hostname"],
  ["a link leads to a device", "tokenizer.json", "/dev/zero"],
  ["a link looks like one of a snapshot but is in none", "notes.txt", "../outside/../outside/secret.txt"],
].map(([when, name, target]): Attack => ({
  name: `openCheckpoint() throws when ${when}`,
  attempt: async () => {
    const { [name]: _, ...files } = single();
    await open(files, link(target, name));
  },
  error: RangeError,
  message: `${name} is a link to `,
}));

const kindAttacks: readonly Attack[] = [
  {
    name: "openCheckpoint() throws when a link goes out of the folder by way of another",
    attempt: async () =>
      await open(single(), async (folder) => {
        await symlink("../outside", join(folder, "inner"));
        await symlink("inner/secret.txt", join(folder, "notes.txt"));
      }),
    error: RangeError,
    message: "notes.txt is a link to ",
  },
  {
    name: "openCheckpoint() throws when the folder of templates is a link out of the folder",
    attempt: async () => await open(single(), link("../outside", "additional_chat_templates")),
    error: RangeError,
    message: "additional_chat_templates is a link to ",
  },
  {
    name: "writePrunedCheckpoint() throws when a file to copy is a link out of the folder",
    attempt: () =>
      withFolder({}, async (folder) => {
        const model = join(folder, "model");
        await mkdir(model);
        for (const [name, content] of Object.entries(single())) await writeFile(join(model, name), content);
        await symlink("/etc/hostname", join(model, "hostname.txt"));
        await writePrunedCheckpoint(model, join(folder, "copy"), []);
      }),
    error: RangeError,
    message: "hostname.txt is a link to ",
  },
  {
    name: "openCheckpoint() throws when the weights are a pipe that nobody writes into",
    attempt: async () => {
      const { "model.safetensors": _, ...files } = single();
      await open(files, async (folder) => {
        await new Deno.Command("mkfifo", { args: [join(folder, "model.safetensors")] }).output();
      });
    },
    error: RangeError,
    message: "expected a regular file",
  },
  {
    name: "openCheckpoint() throws when the configuration is a folder",
    attempt: async () => {
      const { "config.json": _, ...files } = single();
      await open(files, (folder) => mkdir(join(folder, "config.json")));
    },
    error: RangeError,
    message: "expected a regular file",
  },
  {
    name: "openCheckpoint() throws when the configuration is a terabyte of nothing",
    attempt: async () => await open(single(), (folder) => truncate(join(folder, "config.json"), 2 ** 40)),
    error: RangeError,
    message: "it has 1099511627776 bytes, expected at most",
  },
  {
    name: "openCheckpoint() throws when the weights are followed by a terabyte of nothing",
    attempt: async () => await open(single(), (folder) => truncate(join(folder, "model.safetensors"), 2 ** 40)),
    error: SyntaxError,
    message: "and the file at 1099511627776, expected the same",
  },
  {
    name: "openCheckpoint() throws when only a pickle is there",
    attempt: async () => await open({ "config.json": single()["config.json"], "pytorch_model.bin": "\x80\x02" }),
    error: RangeError,
    message: "pytorch_model.bin cannot be read",
  },
  {
    name: "createReferenceEngine() throws before it allocates when a sparse file claims more than the machine has",
    attempt: () =>
      withFolder({}, async (folder) => {
        const { config, header, size } = sparse();
        await writeFile(join(folder, "config.json"), config);
        await writeFile(join(folder, "model.safetensors"), header);
        await truncate(join(folder, "model.safetensors"), size);
        const checkpoint = await openCheckpoint(folder);
        try {
          await createReferenceEngine(checkpoint);
        } finally {
          await checkpoint.close();
        }
      }),
    error: RangeError,
    message: "bytes of this machine's memory, which has",
  },
];

/** A model of 4 TB in a file of holes. */
function sparse(): { config: string; header: Uint8Array; size: number } {
  const config = JSON.stringify({
    ...JSON.parse(makeTinyFiles(tiny).config),
    vocab_size: 2 ** 28,
    hidden_size: 2 ** 12,
  });
  const [q, kv] = [8, 4];
  const [width, neurons] = [2 ** 12, 8];
  const shapes: readonly [string, number[]][] = [
    ["model.embed_tokens.weight", [2 ** 28, width]],
    ["lm_head.weight", [2 ** 28, width]],
    ["model.norm.weight", [width]],
    ["model.layers.0.input_layernorm.weight", [width]],
    ["model.layers.0.post_attention_layernorm.weight", [width]],
    ["model.layers.0.self_attn.q_proj.weight", [q, width]],
    ["model.layers.0.self_attn.k_proj.weight", [kv, width]],
    ["model.layers.0.self_attn.v_proj.weight", [kv, width]],
    ["model.layers.0.self_attn.o_proj.weight", [width, q]],
    ["model.layers.0.mlp.gate_proj.weight", [neurons, width]],
    ["model.layers.0.mlp.up_proj.weight", [neurons, width]],
    ["model.layers.0.mlp.down_proj.weight", [width, neurons]],
  ];
  let offset = 0;
  const entries = shapes.map(([name, shape]) => {
    const start = offset;
    offset += 2 * shape.reduce((product, length) => product * length, 1);
    return [name, { dtype: "BF16", shape, data_offsets: [start, offset] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  return { config, header, size: header.length + offset };
}

/** Tensors in which one element is not finite, where it is, and how the error says so. */
const poisons: readonly [tensor: string, at: number, value: number, dtype: "F32" | "F16" | "BF16", says: string][] = [
  ["model.embed_tokens.weight", 13, NaN, "F32", "[1, 5] is NaN"],
  ["model.norm.weight", 7, Infinity, "F32", "[7] is Infinity"],
  ["lm_head.weight", 8 * 63 + 7, -Infinity, "BF16", "[63, 7] is -Infinity"],
  [gate, 0, NaN, "F16", "[0, 0] is NaN"],
  ["model.layers.0.mlp.down_proj.weight", 63, Infinity, "F16", "[7, 7] is Infinity"],
  ["model.layers.0.self_attn.q_proj.weight", 9, NaN, "BF16", "[1, 1] is NaN"],
  ["model.layers.0.input_layernorm.weight", 3, -Infinity, "F16", "[3] is -Infinity"],
];

const weightAttacks: readonly Attack[] = poisons.flatMap(([tensor, at, value, dtype, says]) => {
  const files = () => {
    const { config, weights } = makeTinyFiles({ ...tiny, dtype, edits: { [tensor]: (values) => values[at] = value } });
    return { "config.json": config, "model.safetensors": weights };
  };
  return [
    {
      name: `createReferenceEngine() throws when ${tensor} in ${dtype} ${says}`,
      attempt: () =>
        withFolder(files(), async (folder) => {
          const checkpoint = await openCheckpoint(folder);
          try {
            await createReferenceEngine(checkpoint);
          } finally {
            await checkpoint.close();
          }
        }),
      error: RangeError,
      message: `weight ${tensor} ${says}, expected finite numbers`,
    },
    {
      name: `checkWeights() tells when ${tensor} in ${dtype} ${says}`,
      attempt: () =>
        withFolder(files(), async (folder) => {
          const checkpoint = await openCheckpoint(folder);
          const problems = await checkWeights(checkpoint);
          await checkpoint.close();
          if (problems.length === 1) throw new RangeError(problems[0]);
        }),
      error: RangeError,
      message: `weight ${tensor} ${says}, expected finite numbers`,
    },
  ];
});

export const folderAttacks: readonly Attack[] = [...indexAttacks, ...linkAttacks, ...kindAttacks, ...weightAttacks];
