/**
 * The service under attack, in large; prints a table. `deno task service-soak` runs all parts, `deno task service-soak
 * latency memory` some of them: requests, connections, kills, memory, latency, tokens.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withService, writeTinyModel } from "../support/service.ts";
import { ServiceProcess } from "../support/service_process.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { judgeResidency } from "./residency.ts";
import {
  holdConnections,
  killServices,
  percentile,
  runManyJobs,
  sendHostileRequests,
  timeHealth,
  timeTokens,
} from "./service_attacks.ts";

const { values: sizes, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    requests: { type: "string", default: "5000" },
    connections: { type: "string", default: "1000" },
    kills: { type: "string", default: "40" },
    "warm-up": { type: "string", default: "100" },
    jobs: { type: "string", default: "500" },
    seconds: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
  },
});
const size = (name: keyof typeof sizes) => Number(sizes[name]);
const milliseconds = (value: number) => `${value.toFixed(1)} ms`;
const megabytes = (value: number) => `${(value / 1e6).toFixed(0)} MB`;

/** Starts a service with the tiny model, on the GPU unless said otherwise. */
async function withProcess(use: (service: ServiceProcess) => Promise<string[]>, env = {}): Promise<string[]> {
  return await withFolder({}, async (folder) => {
    await writeTinyModel(join(folder, "models"));
    const service = await ServiceProcess.start(folder, { SECATEUR_ENGINE: "webgpu", ...env });
    try {
      return await use(service);
    } finally {
      await service.stop();
    }
  });
}

/** Each part gives what was tried, how often, and what came of it. */
const parts: Readonly<Record<string, () => Promise<string[]>>> = {
  requests: async () => {
    let row: string[] = [];
    await withService({ queueLength: 4 }, async (test) => {
      const statuses = await sendHostileRequests(test, size("requests"), size("seed"));
      const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
      const list = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${count} x ${status}`);
      row = ["hostile requests", `${total}`, `${list.join(", ")}; no 500, no file outside`];
    });
    return row;
  },
  connections: () =>
    withProcess(async (service) => {
      const { open, worst } = await holdConnections(service, size("connections"));
      return ["connections at once", `${open}`, `health within ${milliseconds(worst)} meanwhile; all forgotten after`];
    }),
  kills: () =>
    withFolder({}, async (folder) => {
      const { kills, jobs } = await killServices(
        folder,
        size("kills"),
        Math.ceil(size("kills") / 4),
        size("seed"),
        2000,
      );
      return [
        "kill -9 of the service",
        `${kills}`,
        `${jobs} of ${jobs} jobs done, with the bytes of an undisturbed one`,
      ];
    }),
  memory: () =>
    withProcess(async (service) => {
      await runManyJobs(service, size("warm-up"));
      const { tenths, floorGrowth, peakGrowth } = judgeResidency(await runManyJobs(service, size("jobs")));
      const [floor, peak] = [floorGrowth, peakGrowth].map((growth) => growth.toFixed(2));
      return [
        `jobs in a row, after ${sizes["warm-up"]}`,
        sizes.jobs!,
        `0 bytes left on the GPU; resident, median of each tenth: ${
          tenths.map(megabytes).join(", ")
        }; later half over ` +
        `earlier half: floor ${floor}, most ${peak}`,
      ];
    }),
  latency: () =>
    withProcess(async (service) => {
      const request = await service.json("/v1/example");
      const { id } = await service.submit({ ...request, adaptation: { count: 400 }, score: { nodes: 512 } });
      await service.wait(id, "running");
      while ((await service.json(`/v1/jobs/${id}`)).progress?.stage !== "score, 512 nodes") {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const times = await timeHealth(service, 50, size("seconds"));
      const { state } = await service.json(`/v1/jobs/${id}`);
      if (state !== "running") throw new Error(`The job was ${state} before the measurement ended`);
      await service.json(`/v1/jobs/${id}/cancel`, { method: "POST" });
      await service.wait(id);
      const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)].map(milliseconds);
      const worst = milliseconds(Math.max(...times));
      return ["health, 50 a second, while a job runs", `${times.length}`, `p50 ${p50}, p99 ${p99}, worst ${worst}`];
    }),
  tokens: () => {
    const { first, last } = timeTokens(2000);
    const [a, b] = [first, last].map((value) => value.toFixed(0));
    return Promise.resolve([
      "tokens compared",
      "800000",
      `median ${a} ns where the first character differs, ${b} ns the last`,
    ]);
  },
};

const unknown = positionals.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`Error: there is no part ${unknown}.\nHint: the parts are ${Object.keys(parts).join(", ")}.`);
  Deno.exit(2);
}
console.log("| what | how often | result |\n| --- | --- | --- |");
for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
  console.log(`| ${(await parts[name]()).join(" | ")} |`);
}
// Workers of the service that ran here may still be closing.
Deno.exit(0);
