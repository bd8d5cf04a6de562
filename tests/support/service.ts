/** The service within a test: a tiny model, a folder for jobs, and calls without a network. */
import { assertEquals } from "@std/assert";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openService, type Service } from "../../src/serve/app.ts";
import type { JobView } from "../../src/serve/job_state.ts";
import { type ServiceSettings, settingsFrom } from "../../src/serve/settings.ts";
import { withFolder } from "./temporary_folder.ts";
import { writeTinyCheckpoint } from "./tiny_checkpoint.ts";
import { tinyTokenizerFiles } from "./tiny_tokenizer.ts";

/** A request that the tiny model answers in a moment; `changes` replace fields. */
export function tinyRequest(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const row = (i: number) => ({ text: `note ${i * 7919 % 997}`, label: i % 2 });
  return {
    model: "tiny",
    task: {
      task: "notes",
      doc_to_text: "{{text}}:",
      doc_to_choice: [" bad", " good"],
      doc_to_target: "label",
      training_split: "train",
      test_split: "test",
    },
    rows: {
      train: Array.from({ length: 8 }, (_, i) => row(i)),
      test: Array.from({ length: 6 }, (_, i) => row(100 + i)),
    },
    adaptation: { count: 3 },
    score: { nodes: 2 },
    search: { fractions: [0.1, 0.3] },
    randomDraws: 1,
    ...changes,
  };
}

/** A request that takes minutes on the reference engine, and yet stops when it is told to. */
export function longRequest(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const text = "a long note that says the same again and again. ".repeat(8);
  const rows = Array.from({ length: 200 }, (_, i) => ({ text: `${i} ${text}`, label: i % 2 }));
  return tinyRequest({
    rows: { train: rows, test: rows.slice(0, 1) },
    adaptation: { count: 200 },
    score: { nodes: 64 },
    ...changes,
  });
}

/** Writes the model `tiny` into a folder of models. */
export async function writeTinyModel(models: string): Promise<void> {
  const folder = join(models, "tiny");
  await writeTinyCheckpoint(folder, { layers: 2, width: 16, neurons: 24, headWidth: 4, vocabulary: 264 });
  for (const [name, text] of Object.entries(tinyTokenizerFiles())) await Deno.writeTextFile(join(folder, name), text);
}

/** A service that runs within the test. */
export interface TestService {
  readonly settings: ServiceSettings;
  readonly service: Service;
  /** Errors that were nobody's request's fault. */
  readonly errors: readonly unknown[];
  /** Asks as a caller on this machine would, unless `address` says otherwise. */
  call(path: string, init?: RequestInit, address?: string): Promise<Response>;
  /** Posts a job, which must be taken. */
  submit(request?: unknown): Promise<JobView>;
  /** Waits until a job has ended, or is in that state. */
  wait(id: string, state?: JobView["state"]): Promise<JobView>;
  /** Closes the service and opens it again on the same folder. */
  restart(): Promise<void>;
}

/** A request to post. */
export function posting(request: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) };
}

/**
 * Opens a service on the reference engine, lets `use` work with it, and closes it. No error may be left that was
 * nobody's request's fault.
 */
export async function withService(
  changes: Partial<ServiceSettings>,
  use: (test: TestService) => Promise<void>,
): Promise<void> {
  await withFolder({}, async (folder) => {
    const models = join(folder, "models");
    await mkdir(models);
    await writeTinyModel(models);
    const settings: ServiceSettings = {
      ...settingsFrom(() => undefined),
      modelsFolder: models,
      jobsFolder: join(folder, "jobs"),
      engine: "reference",
      ...changes,
    };
    const errors: unknown[] = [];
    const start = () => openService({ settings, version: "0.0.0-test", onError: (error) => errors.push(error) });
    let service = await start();
    const test: TestService = {
      settings,
      get service() {
        return service;
      },
      errors,
      call: (path, init, address = "127.0.0.1") =>
        service.fetch(new Request(`http://localhost:8000${path}`, init), {
          remoteAddr: { transport: "tcp", hostname: address },
        }),
      submit: async (request = tinyRequest()) => {
        const answer = await test.call("/v1/jobs", posting(request));
        const body = await answer.json();
        assertEquals(answer.status, 202, JSON.stringify(body));
        return body;
      },
      wait: async (id, state) => {
        for (;;) {
          const view: JobView = await (await test.call(`/v1/jobs/${id}`)).json();
          if (view.state === state || view.finishedAt !== null) return view;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      restart: async () => {
        await service.close();
        service = await start();
      },
    };
    try {
      await use(test);
    } finally {
      await service.close();
    }
    assertEquals(errors, []);
  });
}
