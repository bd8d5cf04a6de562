/** Jobs of the service: from the request to the results, in order, cancelled, deleted, and over restarts. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { parseOptions } from "../../src/cli/arguments.ts";
import { modelOptions, runOptions, taskOptions } from "../../src/cli/options.ts";
import { testExamples } from "../../src/cli/test_rows.ts";
import { openEngine } from "../../src/engine/open.ts";
import { parseRun } from "../../src/method/run_record.ts";
import { openService } from "../../src/serve/app.ts";
import { runPipeline } from "../../src/method/pipeline.ts";
import { drawAdaptation } from "../../src/tasks/draw.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { longRequest, posting, type TestService, tinyRequest, withService } from "../support/service.ts";

const out = { type: "text", description: "" } as const;

async function results({ settings }: TestService, id: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const name of ["scores.safetensors", "grid.json", "plan.json"]) {
    files[name] = await readFile(join(settings.jobsFolder, id, "results", name));
  }
  return files;
}

Deno.test("a job gives what the same run gives without the service when it has ended", async () => {
  await withService({}, async (test) => {
    const submitted = await test.submit();
    assertEquals([submitted.model, submitted.task, submitted.attempts], ["tiny", "notes", 0]);
    const job = await test.wait(submitted.id);
    assertEquals([job.state, job.error, job.attempts, job.ahead], ["done", null, 1, null]);

    const answer = await test.call(`/v1/jobs/${job.id}/results`);
    assertEquals([answer.status, answer.headers.get("content-type")], [200, "application/json"]);
    const record = parseRun("the results", await answer.text());

    const folder = join(test.settings.modelsFolder!, "tiny");
    const checkpoint = await openCheckpoint(folder);
    const engine = await openEngine(checkpoint, { engine: "reference" });
    try {
      const tokenizer = await loadTokenizer(folder);
      const task = await loadTask(join(test.settings.jobsFolder, job.id, "task.yaml"), { tokenizer });
      const drawn = await drawAdaptation(task, "train", { count: 3, seed: 0 });
      const direct = await runPipeline({
        engine,
        ...drawn,
        test: await task.examples("test"),
        score: { nodes: 2 },
        search: { fractions: [0.1, 0.3] },
        randomDraws: 1,
      });
      assertEquals(record.chosen, direct.searched.configurations[direct.searched.chosen]);
      assertEquals(record.examples.adaptation, drawn.adaptation.map(({ id }) => id));
      assertEquals(record.test.pruned.acc.accuracy, direct.test.pruned.scores.acc.accuracy);
      assertEquals(record.test.random[0].acc.meanMargin, direct.test.random[0].scores.acc.meanMargin);
    } finally {
      await engine.close();
      await checkpoint.close();
    }

    const { files } = await (await test.call(`/v1/jobs/${job.id}/files`)).json();
    const names = files.map((file: { name: string }) => file.name);
    for (const name of ["grid.json", "plan.json", "run.json", "scores.safetensors"]) assert(names.includes(name), name);
    for (const { name, bytes } of files) {
      const file = await test.call(`/v1/jobs/${job.id}/files/${name}`);
      assertEquals((await file.bytes()).byteLength, bytes);
      const head = await test.call(`/v1/jobs/${job.id}/files/${name}`, { method: "HEAD" });
      assertEquals([head.status, head.headers.get("content-length")], [200, `${bytes}`]);
    }
  });
});

Deno.test("a job whose rows are one split tests on those that are not drawn, as the program does", async () => {
  await withService({}, async (test) => {
    const { task, rows } = tinyRequest() as { task: object; rows: Record<string, unknown[]> };
    const one = { task: { ...task, test_split: "train" }, rows: { train: rows.train } };
    const recordOf = async (changes: object) => {
      const { id } = await test.submit(
        tinyRequest({ ...one, adaptation: { count: 3, selectionCount: 1 }, ...changes }),
      );
      assertEquals((await test.wait(id)).error, null);
      return parseRun("the results", await (await test.call(`/v1/jobs/${id}/results`)).text());
    };
    const { examples: { adaptation, selection, test: tested }, arguments: typed } = await recordOf({});
    assertEquals([adaptation.length, selection.length, tested.length], [3, 1, 4]);
    const all = rows.train.map((_, row) => `train/${row}`);
    assertEquals([...adaptation, ...selection, ...tested].sort(), all);
    assertEquals((await recordOf({ test: { limit: 2 } })).examples.test, tested.slice(0, 2));

    // The program, with the options that the record names.
    const { limit, split } = parseOptions(
      "run",
      { ...modelOptions, ...taskOptions, ...runOptions, out },
      typed.slice(1),
    );
    const folder = join(test.settings.modelsFolder!, "tiny");
    const [{ id }] = (await (await test.call("/v1/jobs")).json()).jobs;
    const own = await loadTask(join(test.settings.jobsFolder, id, "task.yaml"), {
      tokenizer: await loadTokenizer(folder),
    });
    const used = await own.examples("train", { ids: [...adaptation, ...selection] });
    assertEquals((await testExamples(own, { limit, split }, used, { note: () => {} })).map(({ id }) => id), tested);
  });
});

Deno.test("jobs on the GPU leave no bytes there when they have ended", async () => {
  await withService({ engine: "webgpu" }, async (test) => {
    const jobs = [await test.submit(), await test.submit()];
    for (const { id } of jobs) assertEquals((await test.wait(id)).error, null);
    const metrics = await (await test.call("/metrics")).text();
    assertMatch(metrics, /^secateur_gpu_leaked_bytes 0$/m);
    assertMatch(metrics, /^secateur_jobs_ended_total\{state="done"\} 2$/m);
  });
});

Deno.test("a job writes the pruned checkpoint when it is asked to", async () => {
  await withService({}, async (test) => {
    const { id } = await test.submit(tinyRequest({ writePruned: true }));
    assertEquals((await test.wait(id)).state, "done");
    const pruned = await openCheckpoint(join(test.settings.jobsFolder, id, "results", "pruned"));
    assertEquals(pruned.config.layers, 2);
    await pruned.close();
  });
});

Deno.test("a job fails with the reason when its task does not fit its rows", async () => {
  await withService({}, async (test) => {
    const request = tinyRequest();
    const broken = { ...request, task: { ...request.task as object, doc_to_target: "missing" } };
    // Of eight rows three are drawn, and the first five are to be tested on.
    const overlapping = { ...request, test: { split: "train", limit: 5 } };
    const words = "note ".repeat(2000);
    const long = { ...request, rows: { ...request.rows as object, test: [{ text: words, label: 0 }] } };
    const errors = [];
    const lopsided = tinyRequest({ adaptation: { count: 6, sampling: "balanced" } });
    lopsided.rows = {
      ...request.rows as object,
      train: Array.from({ length: 8 }, (_, i) => ({ text: `${i}`, label: +(i > 5) })),
    };
    for (const body of [broken, overlapping, lopsided, long]) {
      const { state, error } = await test.wait((await test.submit(body)).id);
      assertEquals(state, "failed");
      errors.push(error);
    }
    assertMatch(errors[0]!, /missing/);
    // Where the jobs are is nobody's business.
    assertEquals(errors.filter((error) => error!.includes(test.settings.jobsFolder)), []);
    assertMatch(errors[1]!, /^Cannot test on example train\/\d: it is an adaptation example too/);
    assertMatch(errors[2]!, /^Cannot draw 6 balanced examples: 3 rows with gold index 1 are needed/);
    assertMatch(errors[3]!, /test\/0.* \d+ tokens exceed the model's limit of \d+/);
    // The service goes on.
    assertEquals((await test.wait((await test.submit()).id)).state, "done");
  });
});

Deno.test("a job leaves out or cuts rows that do not fit when it is asked to, and counts them as the program does", async () => {
  await withService({}, async (test) => {
    const { rows, ...rest } = tinyRequest() as { rows: Record<string, unknown[]> };
    const long = { text: "note ".repeat(2000), label: 0 };
    const wrong = { text: "note", label: 7 };
    const mixed = { train: [wrong, ...rows.train], test: [long, ...rows.test, { label: 0 }, wrong] };
    const skip = await test.submit({ ...rest, rows: mixed, skipBadRows: true, fewshot: 0 });
    const cut = await test.submit({ ...rest, rows: { ...rows, test: [long, ...rows.test] }, truncate: true });
    const both = await test.submit({ ...rest, rows: mixed, skipBadRows: true, truncate: true });
    const recordOf = async ({ id }: { id: string }) => {
      assertEquals((await test.wait(id)).error, null);
      return parseRun("the results", await (await test.call(`/v1/jobs/${id}/results`)).text());
    };
    const [skipped, truncated, neither] = [await recordOf(skip), await recordOf(cut), await recordOf(both)];
    assertEquals([skipped.skippedRows, skipped.truncatedRows], [{ train: 1, test: 3 }, undefined]);
    assertEquals(skipped.examples.test, rows.test.map((_, i) => `test/${i + 1}`));
    assertEquals([skipped.provenance.truncated, skipped.provenance.fewshot], [undefined, 0]);
    assertEquals(skipped.arguments.slice(-1), ["--skip-bad-rows"]);
    assertEquals([truncated.skippedRows, truncated.truncatedRows], [undefined, { test: 1 }]);
    assertEquals([truncated.examples.test.length, truncated.provenance.truncated], [7, 512]);
    assertEquals([neither.skippedRows, neither.truncatedRows], [{ train: 1, test: 2 }, { test: 1 }]);
    const report = await (await test.call(`/v1/jobs/${both.id}/report`)).text();
    assertMatch(report, /rows left out<\/dt>\s*<dd>1 of train, 2 of test/);
    assertMatch(report, /prompts cut<\/dt>\s*<dd>1 of test/);
  });
});

Deno.test("jobs run one after the other, wait in order, and are refused when too many wait", async () => {
  await withService({ queueLength: 2 }, async (test) => {
    const first = await test.submit(longRequest());
    await test.wait(first.id, "running");
    const second = await test.submit();
    const third = await test.submit();
    assertEquals([second.ahead, third.ahead], [1, 2]);
    const answers = await Promise.all([1, 2, 3].map(() => test.call("/v1/jobs", posting(tinyRequest()))));
    assertEquals(answers.map(({ status }) => status), [429, 429, 429]);
    assertEquals(answers[0].headers.get("retry-after"), "60");

    const cancelled = await test.call(`/v1/jobs/${second.id}/cancel`, { method: "POST" });
    assertEquals([cancelled.status, (await cancelled.json()).state], [202, "cancelled"]);
    const stopping = await test.call(`/v1/jobs/${first.id}/cancel`, { method: "POST" });
    assertEquals((await stopping.json()).state, "stopping");
    assertEquals((await test.wait(first.id)).state, "cancelled");
    assertEquals((await test.wait(third.id)).state, "done");

    const list = await (await test.call("/v1/jobs?limit=2")).json();
    assertEquals(list.jobs.map(({ id }: { id: string }) => id), [third.id, second.id]);
    const rest = await (await test.call(`/v1/jobs?limit=2&before=${list.next}`)).json();
    assertEquals([rest.jobs.map(({ id }: { id: string }) => id), rest.next], [[first.id], null]);
  });
});

Deno.test("a cancelled job that runs on the GPU stops and leaves no bytes there", async () => {
  await withService({ engine: "webgpu" }, async (test) => {
    const { id } = await test.submit(longRequest());
    for (;;) {
      const { progress, state } = await (await test.call(`/v1/jobs/${id}`)).json();
      assert(["queued", "running"].includes(state), state);
      if (progress?.stage.startsWith("score")) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await test.call(`/v1/jobs/${id}/cancel`, { method: "POST" });
    assertEquals((await test.wait(id)).state, "cancelled");
    assertMatch(await (await test.call("/metrics")).text(), /^secateur_gpu_leaked_bytes 0$/m);
  });
});

Deno.test("a job can be deleted when it has ended, and not before", async () => {
  await withService({}, async (test) => {
    const { id } = await test.submit(longRequest());
    assertEquals((await test.call(`/v1/jobs/${id}`, { method: "DELETE" })).status, 409);
    assertEquals((await test.call(`/v1/jobs/${id}/results`)).status, 409);
    await test.call(`/v1/jobs/${id}/cancel`, { method: "POST" });
    await test.wait(id);
    assertEquals((await test.call(`/v1/jobs/${id}/results`)).status, 404);
    assertEquals((await test.call(`/v1/jobs/${id}/cancel`, { method: "POST" })).status, 409);
    assertEquals((await test.call(`/v1/jobs/${id}`, { method: "DELETE" })).status, 204);
    assertEquals((await test.call(`/v1/jobs/${id}`)).status, 404);
    await test.restart();
    assertEquals((await (await test.call("/v1/jobs")).json()).jobs, []);
  });
});

Deno.test("a job fails and says so when it takes longer than it may", async () => {
  await withService({ jobSeconds: 1 }, async (test) => {
    const { state, error } = await test.wait((await test.submit(longRequest())).id);
    assertEquals([state, error], ["failed", "The job took longer than 1 s"]);
  });
});

Deno.test("a job whose texts hold its Worker up is ended from outside when it is cancelled", async () => {
  await withService({ stopSeconds: 1 }, async (test) => {
    // One word without an end: the tokenizer takes minutes over it and looks at nothing else meanwhile.
    const rows = Array.from({ length: 8 }, (_, i) => ({ text: "a".repeat(400_000), label: i % 2 }));
    const { id } = await test.submit(tinyRequest({ rows: { train: rows, test: rows.slice(0, 1) } }));
    await test.wait(id, "running");
    await test.call(`/v1/jobs/${id}/cancel`, { method: "POST" });
    assertEquals((await test.wait(id)).state, "cancelled");
    assertEquals((await (await test.call("/health")).json()).status, "ok");
    assertEquals((await test.wait((await test.submit()).id)).state, "done");
  });
});

Deno.test("only so many ended jobs are kept when more have ended", async () => {
  await withService({ keptJobs: 2 }, async (test) => {
    const ids = [];
    for (let i = 0; i < 4; i++) {
      ids.push((await test.submit(tinyRequest({ task: { ...tinyRequest().task as object, doc_to_text: "{{" } }))).id);
    }
    for (const id of ids.slice(2)) await test.wait(id);
    // The last end is noted before the oldest are forgotten.
    while ((await (await test.call("/v1/jobs")).json()).jobs.length > 2) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals((await test.call(`/v1/jobs/${ids[0]}`)).status, 404);
  });
});

Deno.test("jobs go on and give the same files when the service is closed in the middle and opened again", async () => {
  await withService({}, async (test) => {
    const undisturbed = await test.submit();
    await test.wait(undisturbed.id);
    const [first, second] = [await test.submit(), await test.submit()];
    await test.wait(first.id, "running");
    await test.restart();
    for (const { id } of [first, second]) {
      const job = await test.wait(id);
      assertEquals([job.state, job.error, job.attempts], ["done", null, 1]);
      assertEquals(await results(test, id), await results(test, undisturbed.id));
    }
    await test.restart();
    assertEquals((await test.wait(first.id)).state, "done");
  });
});

Deno.test("a job goes on from its files when the service died under it, until it has died too often", async () => {
  await withService({}, async (test) => {
    const job = await test.wait((await test.submit()).id);
    const whole = await results(test, job.id);
    const folder = join(test.settings.jobsFolder, job.id);
    const state = JSON.parse(await Deno.readTextFile(`${folder}/state.json`));
    const died = async (attempts: number, files = 0) => {
      await test.service.close();
      const running = { ...state, state: "running", attempts, fruitless: attempts, files, finishedAt: null };
      await Deno.writeTextFile(`${folder}/state.json`, JSON.stringify(running));
      await test.restart();
      return await test.wait(job.id);
    };
    for (const name of ["run.json", "grid.json", "plan.json"]) await Deno.remove(`${folder}/results/${name}`);
    const scoredAt = (await Deno.stat(`${folder}/results/scores.safetensors`)).mtime;
    const resumed = await died(1);
    assertEquals([resumed.state, resumed.attempts], ["done", 2]);
    assertEquals(await results(test, job.id), whole);
    assertEquals((await Deno.stat(`${folder}/results/scores.safetensors`)).mtime, scoredAt);

    // Complete, but the service died before it could say so.
    assertEquals((await died(2)).state, "done");
    // Results of another version are replaced.
    await Deno.remove(`${folder}/results/run.json`);
    const request = JSON.parse(await Deno.readTextFile(`${folder}/request.json`));
    await Deno.writeTextFile(`${folder}/request.json`, JSON.stringify({ ...request, seed: 1 }));
    assertEquals((await died(3)).state, "done");
    assertNotEquals(await results(test, job.id), whole);

    // Files that were not there at the last start show that it is getting on.
    assertEquals((await died(20)).state, "done");
    assertEquals((await died(19, 9)).state, "done");
    await Deno.mkdir(`${folder}/results/answers.partial`);
    for (let i = 0; i < 9; i++) await Deno.writeTextFile(`${folder}/results/answers.partial/${i}`, "");
    assertEquals((await died(20, 9)).state, "done");
    await Deno.remove(`${folder}/results/answers.partial`, { recursive: true }).catch(() => {});
    const failed = await died(20, 9);
    assertEquals(failed.state, "failed");
    assertEquals(failed.error, "The service ended 20 times while this job ran without a new result");
  });
});

Deno.test("a job that was being cancelled is cancelled when the service died meanwhile", async () => {
  await withService({}, async (test) => {
    const { id } = await test.submit(longRequest());
    await test.wait(id, "running");
    const answer = await test.call(`/v1/jobs/${id}/cancel`, { method: "POST" });
    assertEquals((await answer.json()).state, "stopping");
    await test.wait(id);
    await test.service.close();
    const path = join(test.settings.jobsFolder, id, "state.json");
    const ended = JSON.parse(await Deno.readTextFile(path));
    assertEquals(ended.state, "cancelled");
    await Deno.writeTextFile(path, JSON.stringify({ ...ended, state: "stopping", finishedAt: null }));
    await test.restart();
    assertEquals((await test.wait(id)).state, "cancelled");
  });
});

Deno.test("openService() refuses a folder of jobs when another service uses it, a state is malformed, or a folder is missing or a file", async () => {
  await withService({}, async (test) => {
    const again = () => openService({ settings: test.settings, version: "0" });
    const refusal = await again().catch((error) => error);
    assertMatch(refusal.message, /^Cannot serve jobs in .*: another service is using it$/);
    const { id } = await test.submit();
    await test.wait(id);
    await test.service.close();
    const elsewhere = { ...test.settings, modelsFolder: join(test.settings.modelsFolder!, "none") };
    const missing = await openService({ settings: elsewhere, version: "0" }).catch((error) => error);
    assertMatch(missing.message, /^Cannot list the models in .*none: there is no such folder$/);
    const file = join(test.settings.modelsFolder!, "tiny", "config.json");
    for (const jobsFolder of [file, join(file, "jobs")]) {
      const blocked = await openService({ settings: { ...test.settings, jobsFolder }, version: "0" }).catch((e) => e);
      assertMatch(blocked.message, /^Cannot serve jobs in .*: a file is in its place$/);
    }
    const state = join(test.settings.jobsFolder, id, "state.json");
    const text = await Deno.readTextFile(state);
    await Deno.writeTextFile(state, text.replace('"done"', '"gone"'));
    assertMatch((await again().catch((error) => error)).message, /state\.json.*"gone", expected/);
    await Deno.writeTextFile(state, text);
    await test.restart();
    assertEquals((await test.wait(id)).state, "done");
  });
});
