/** Checkpoints by name: what is downloaded, where it goes, and what is found again without a request. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resolveModel } from "../../src/checkpoint/hub.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { writePrunedCheckpoint } from "../../src/checkpoint/prune_checkpoint.ts";
import { contentId, gitId, largeFile, type ServedFile, smallFile } from "../support/hub_server.ts";
import {
  assertHubError,
  commit,
  files,
  id,
  model,
  partials,
  tiny,
  wanted,
  weights,
  weightsBlob,
  withHub,
} from "../support/hub_setting.ts";
import { withFolder } from "../support/temporary_folder.ts";

/** Everything below a folder: the content of files, the targets of links. */
async function tree(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (entry.isSymbolicLink()) found[name] = `-> ${await readlink(path)}`;
    else if (entry.isFile()) found[name] = gitId(await readFile(path));
  }
  return found;
}

Deno.test("resolveModel() downloads what a checkpoint needs into the layout of Python's cache", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const found = await resolve();
    assertEquals(found, {
      folder: join(folder, "snapshots", commit),
      revision: commit,
      reference: `${id}@${commit}`,
      files: wanted,
      downloaded: wanted,
    });
    const expected: Record<string, string> = {};
    for (const name of wanted) {
      const up = "../".repeat(name.split("/").length + 1);
      expected[`blobs/${contentId(files[name])}`] = gitId(files[name].bytes);
      expected[`snapshots/${commit}/${name}`] = `-> ${up}blobs/${contentId(files[name])}`;
    }
    const { [`trees/${commit}.json`]: listing, ...rest } = await tree(folder);
    assert(listing !== undefined);
    assertEquals(rest, { ...expected, "refs/main": gitId(new TextEncoder().encode(commit)) });
    // Each wanted file once, and nothing else.
    const paths = server.requests(/^hub.*\/resolve\//).map(({ path }) => path.split(`/resolve/${commit}/`)[1]).sort();
    assertEquals(paths, wanted);
  });
});

Deno.test("resolveModel() gives a folder that opens and can be pruned, with links that follow to the files", async () => {
  await withHub([model], async ({ cache, resolve }) => {
    const { folder } = await resolve();
    const checkpoint = await openCheckpoint(folder);
    assertEquals(checkpoint.config.layers, 2);
    await checkpoint.close();
    const pruned = join(cache, "pruned");
    await writePrunedCheckpoint(folder, pruned, [{ layer: 0, site: "gate", neurons: Uint32Array.of(1) }], {
      unchanged: "link",
    });
    assertEquals(await readFile(join(pruned, "tokenizer.json"), "utf8"), "{}\n");
    assertEquals((await lstat(join(pruned, "tokenizer.json"))).isSymbolicLink(), false);
    assertEquals(gitId(await readFile(join(folder, "model.safetensors"))), gitId(weights));
  });
});

Deno.test("resolveModel() makes no request when the cache has everything, and asks again with refresh", async () => {
  await withHub([model], async ({ server, resolve }) => {
    await resolve();
    server.forget();
    for (const reference of [id, `${id}@main`, `${id}@${commit}`]) {
      const { downloaded, reference: pinned } = await resolve(reference);
      assertEquals([downloaded, pinned], [[], `${id}@${commit}`]);
    }
    assertEquals(server.seen.length, 0);
    const next = "f".repeat(40);
    const changed = { ...files, "generation_config.json": smallFile('{"a": 1}') };
    server.repositories[0] = { ...model, commit: next, files: changed };
    assertEquals((await resolve()).revision, commit);
    const found = await resolve(id, { refresh: true });
    assertEquals([found.revision, found.downloaded], [next, ["generation_config.json"]]);
    assertEquals((await resolve()).revision, next);
    assertEquals((await resolve(`${id}@${commit}`)).revision, commit);
  });
});

Deno.test("resolveModel() resolves branches with slashes, tags, pull requests and commits", async () => {
  const revisions = ["main", "v1.0", "feature/x+y", "refs/pr/3"];
  await withHub([{ ...model, revisions }], async ({ server, folder, resolve }) => {
    for (const revision of revisions) assertEquals((await resolve(`${id}@${revision}`)).revision, commit);
    assertEquals(await readFile(join(folder, "refs/feature/x+y"), "utf8"), commit);
    assertEquals(await readFile(join(folder, "refs/refs/pr/3"), "utf8"), commit);
    assertEquals(server.requests(/^store/).length, 1);
  });
  await withHub([model], async ({ server, folder, resolve }) => {
    assertEquals((await resolve(`${id}@${commit}`)).revision, commit);
    assertEquals(server.requests(/revision/).length, 0);
    assertEquals((await readdir(folder)).sort(), ["blobs", "snapshots", "trees"]);
  });
});

Deno.test("resolveModel() takes a folder that exists, without looking at the environment", async () => {
  await withFolder({ "org/name/config.json": "", "org/file": "" }, async (home) => {
    const environment = new Proxy({}, {
      get() {
        throw new Error("the environment was read");
      },
    });
    const folder = join(home, "org/name");
    assertEquals(await resolveModel(folder, { environment }), {
      folder,
      revision: null,
      reference: folder,
      files: [],
      downloaded: [],
    });
    await assertRejects(() => resolveModel(join(home, "org/file"), { environment }), RangeError, "it is a file");
  });
});

Deno.test("resolveModel() refuses names that are none before any request", async () => {
  await withHub([model], async ({ server, cache, resolve }) => {
    const ids = ["name", "/org/name", "./x", "../x", "org/..", "org/../x", "a/b/c", "org/na--me", "org/na..me", "org/"];
    ids.push("org/.hidden", "org/name.git", "org\\name", "~/model", "org/na me", "org/name\0", `org/${"x".repeat(97)}`);
    for (const reference of ids) {
      await assertRejects(
        () => resolve(reference),
        RangeError,
        "expected a folder that exists, or org/name[@revision]",
      );
    }
    const revisions = ["", "..", "a/../../b", "/etc", "a//b", "a/", ".git", "a b", "x:y", "a\\b", "x?y", "a\0", "~1"];
    for (const revision of [...revisions, "a/.b", "x".repeat(256), "a.lock", "a@{1}", "CON|x", "\n"]) {
      await assertRejects(() => resolve(`${id}@${revision}`), RangeError, "is no revision");
    }
    assertEquals(server.seen.length, 0);
    await assertRejects(() => stat(cache), Error, "");
  });
});

Deno.test("resolveModel() downloads the shards that the index names and no others", async () => {
  const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } };
  const { "model.safetensors": _, ...others } = files;
  const sharded: Record<string, ServedFile> = {
    ...others,
    "model.safetensors.index.json": smallFile(JSON.stringify(index)),
    "model-00001-of-00002.safetensors": largeFile(weights),
    "model-00002-of-00002.safetensors": largeFile(new Uint8Array(100)),
    "consolidated.safetensors": largeFile(new Uint8Array(50)),
  };
  await withHub([{ ...model, files: sharded }], async ({ server, resolve, environment }) => {
    const progress: number[] = [];
    const { files: found } = await resolve(id, { onProgress: ({ bytesDone }) => progress.push(bytesDone) });
    assertEquals(found.filter((name) => name.includes("safetensors")), [
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]);
    assertEquals(server.requests(/^store/).length, 2);
    environment.HF_HUB_OFFLINE = "1";
    assertEquals((await resolve()).files, found);
  });
  const { "model-00002-of-00002.safetensors": __, ...incomplete } = sharded;
  await withHub([{ ...model, files: incomplete }], async ({ server, resolve }) => {
    await assertRejects(() => resolve(), RangeError, "model-00002-of-00002.safetensors is part of it");
    assertEquals(server.requests(/^store/).length, 0);
  });
});

Deno.test("resolveModel() downloads no weights when the model is not supported or has none in safetensors", async () => {
  const config = { ...JSON.parse(tiny.config), model_type: "mixtral" };
  const unsupported = { ...files, "config.json": smallFile(JSON.stringify(config)) };
  const { "model.safetensors": _, ...without } = files;
  const { "config.json": __, ...bare } = files;
  const cases: [Record<string, ServedFile>, string][] = [
    [unsupported, "mixtral"],
    [without, "pytorch_model.bin cannot be read, convert to safetensors first"],
    [bare, "it has no config.json"],
  ];
  for (const [served, message] of cases) {
    await withHub([{ ...model, files: served }], async ({ server, resolve }) => {
      await assertRejects(() => resolve(), RangeError, message);
      // Said again from the cached listing.
      await assertRejects(() => resolve(), RangeError, message);
      assertEquals(server.requests(/^store/).length, 0);
    });
  }
});

Deno.test("resolveModel() fails before it downloads when the disk is too small", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    server.fail(/tree/, (_, answer) => {
      return answer().json().then((list) =>
        Response.json(
          list.map((entry: { path: string; lfs?: Record<string, unknown> }) =>
            entry.path === "model.safetensors" ? { ...entry, lfs: { ...entry.lfs, size: 2 ** 52 } } : entry
          ),
        )
      );
    });
    await assertRejects(() => resolve(), RangeError, "it needs 4503599627370496 bytes");
    assertEquals(server.requests(/^store/).length, 0);
    assertEquals(await partials(folder), []);
  });
});

Deno.test("resolveModel() reports bytes that only grow up to the total", async () => {
  await withHub([model], async ({ resolve }) => {
    const seen: { bytesDone: number; bytesTotal: number }[] = [];
    await resolve(id, { onProgress: ({ bytesDone, bytesTotal }) => seen.push({ bytesDone, bytesTotal }) });
    const total = wanted.reduce((sum, name) => sum + files[name].bytes.length, 0);
    assertEquals(seen.at(-1), { bytesDone: total, bytesTotal: total });
    assert(seen.every(({ bytesDone }, i) => i === 0 || bytesDone >= seen[i - 1].bytesDone));
    assert(seen.every(({ bytesDone, bytesTotal }) => bytesDone <= bytesTotal));
  });
});

Deno.test("resolveModel() repairs broken links, files of a wrong size and damaged blobs", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const { folder: snapshot } = await resolve();
    await rm(join(folder, "blobs", contentId(files["tokenizer.json"])));
    await truncate(join(folder, "blobs", weightsBlob), 10);
    await rm(join(snapshot, "config.json"));
    await symlink("nowhere", join(snapshot, "config.json"));
    await writeFile(join(folder, "trees", `${commit}.json`), "{");
    server.forget();
    // The blob of the configuration is whole, only the link was not.
    assertEquals((await resolve()).downloaded, ["model.safetensors", "tokenizer.json"]);
    assertEquals(gitId(await readFile(join(snapshot, "model.safetensors"))), gitId(weights));
    assertEquals(await readFile(join(snapshot, "config.json"), "utf8"), tiny.config);
    assertEquals(server.requests(/tree/).length, 1);
  });
});

Deno.test("resolveModel() stores files instead of links when links are not wanted", async () => {
  await withHub([model], async ({ server, environment, folder, resolve }) => {
    environment.HF_HUB_DISABLE_SYMLINKS = "1";
    const { folder: snapshot } = await resolve();
    assertEquals((await lstat(join(snapshot, "model.safetensors"))).isFile(), true);
    assertEquals(await readdir(join(folder, "blobs")), []);
    server.forget();
    assertEquals((await resolve()).downloaded, []);
    assertEquals(server.seen.length, 0);
  });
});

Deno.test("resolveModel() makes no request offline, and names what is missing", async () => {
  await withHub([model], async ({ server, environment, folder, resolve }) => {
    const offline = { environment: { ...environment, HF_HUB_OFFLINE: "yes" } };
    await assertHubError(() => resolve(id, offline), "the cache does not know its revision main");
    await assertHubError(() => resolve(`${id}@${commit}`, offline), "no file of it is there");
    assertEquals(server.seen.length, 0);
    const { folder: snapshot } = await resolve();
    server.forget();
    assertEquals((await resolve(id, { ...offline, refresh: true })).folder, snapshot);
    assertEquals((await resolve(id, { environment: { ...environment, TRANSFORMERS_OFFLINE: "1" } })).downloaded, []);
    await rm(join(snapshot, "generation_config.json"));
    await assertHubError(() => resolve(id, offline), "generation_config.json is not there");
    // Without the listing nobody can tell that the repository has that file, and the rest is a checkpoint.
    await rm(join(folder, "trees"), { recursive: true });
    assertEquals((await resolve(id, offline)).files, wanted.filter((name) => name !== "generation_config.json"));
    await rm(join(snapshot, "model.safetensors"));
    await assertHubError(() => resolve(id, offline), "expected weights in model.safetensors");
    assertEquals(server.seen.length, 0);
  });
});

Deno.test("resolveModel() needs no listing for a snapshot that Python left without one", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const { folder: snapshot } = await resolve();
    await rm(join(folder, "trees"), { recursive: true });
    server.forget();
    assertEquals((await resolve()).downloaded, []);
    assertEquals(server.seen.length, 0);
    // A snapshot without tokenizer may be one that was downloaded in part.
    await rm(join(snapshot, "tokenizer.json"));
    assertEquals((await resolve()).downloaded, []);
    assertEquals(server.requests(/tree/).length, 1);
  });
});

Deno.test("resolveModel() finds cache, token and hub as Python does", async () => {
  await withHub([model], async ({ server, cache, resolve }) => {
    const home = join(cache, "..", "..");
    const base = { HOME: home, HF_ENDPOINT: `${server.endpoint}/` };
    const places: [Record<string, string>, string][] = [
      [{}, ".cache/huggingface/hub"],
      [{ XDG_CACHE_HOME: join(home, "xdg") }, "xdg/huggingface/hub"],
      [{ HF_HOME: "~/a" }, "a/hub"],
      [{ HF_HOME: "~/a", HUGGINGFACE_HUB_CACHE: "$HOME/b" }, "b"],
      [{ HUGGINGFACE_HUB_CACHE: "/nowhere", HF_HUB_CACHE: "${HOME}/c" }, "c"],
    ];
    for (const [variables, place] of places) {
      const { folder } = await resolve(id, { environment: { ...base, ...variables } });
      assertEquals(folder, join(home, place, "models--org--tiny-model", "snapshots", commit));
    }

    await mkdir(join(home, "logged-in"));
    await writeFile(join(home, "logged-in", "token"), "hf_from_file\n");
    await writeFile(join(home, "other"), "hf_other");
    const tokens: [Record<string, string>, string | null][] = [
      [{}, "Bearer hf_from_file"],
      [{ HF_TOKEN_PATH: join(home, "other") }, "Bearer hf_other"],
      [{ HF_TOKEN: " hf_named\n" }, "Bearer hf_named"],
      [{ HUGGING_FACE_HUB_TOKEN: "hf_old" }, "Bearer hf_old"],
      [{ HF_TOKEN: "hf_named", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }, null],
    ];
    for (const [variables, sent] of tokens) {
      server.forget();
      const environment = { ...base, HF_HOME: join(home, "logged-in"), ...variables };
      await resolve(id, { environment, refresh: true });
      assertEquals(server.requests(/^hub/)[0].headers.get("authorization"), sent);
    }
    for (const HF_ENDPOINT of ["huggingface.co", "ftp://x", "https://user:secret@x", "https://x?y"]) {
      const error = await assertRejects(
        () => resolve(id, { environment: { ...base, HF_ENDPOINT }, refresh: true }),
        RangeError,
        "Cannot use HF_ENDPOINT",
      );
      assert(!error.message.includes("secret"));
    }
    const HF_TOKEN = "hf_NeverToBeSeen\nx: y";
    const error = await assertRejects(
      () => resolve(id, { environment: { ...base, HF_TOKEN }, refresh: true }),
      RangeError,
      "Cannot use the token in HF_TOKEN",
    );
    assert(!error.message.includes("hf_"));
  });
});
