/** Statistics and traces of h = silu(g) * u over all prompt positions. */
import { allocatedBytes } from "../../gpu/memory.ts";
import { strides } from "../../model/buffers.ts";
import { packWave } from "../../model/packing.ts";
import type { WaveRequest } from "../../model/wave_request.ts";
import type { OpContext } from "../../ops/context.ts";
import { foldStatistics, pickColumns } from "../../ops/rows.ts";
import type { Example } from "../../tasks/example.ts";
import { formatShortage } from "../../text/bytes.ts";
import { OptionError } from "../../text/option_error.ts";
import type { ActivationOptions, ActivationStatistics } from "../engine.ts";
import type { WaveRunner } from "./forward.ts";
import { runWaves } from "./waves.ts";

/** What {@link measureActivations} works with. */
export interface ActivationRun extends WaveRunner {
  readonly context: OpContext;
  readonly examples: readonly Example[];
  readonly options: ActivationOptions & { readonly trace: NonNullable<ActivationOptions["trace"]> };
}

/** Runs all prompts and folds the activations of every layer into sums. */
export async function measureActivations(run: ActivationRun): Promise<ActivationStatistics> {
  const { context, config, examples, options } = run;
  const { memory, recorder } = context;
  const { trace, signal } = options;
  const rowsOf = examples.map((example) => example.prompt.length);
  const tokens = rowsOf.reduce((sum, rows) => sum + rows, 0);
  const statisticsBytes = strides(config).neurons * 16;
  const traceBytes = trace.map(({ neurons }) => Math.max(1, tokens * neurons.length) * 4);
  const indexBytes = trace.map(({ neurons }) => Math.max(1, neurons.length) * 4);
  const resultBytes = config.layers * allocatedBytes(statisticsBytes) +
    traceBytes.reduce((sum, bytes) => sum + allocatedBytes(bytes), 0);
  // Results lie on the GPU twice while they are read back.
  const bytes = run.limits.bytes - 2 * resultBytes - indexBytes.reduce((sum, bytes) => sum + allocatedBytes(bytes), 0);
  if (bytes <= 0) {
    const [needed, left] = formatShortage(run.limits.bytes - bytes, run.limits.bytes);
    throw new OptionError(
      `Cannot measure activations: statistics and traces, and what they are read back through, take ${needed}, the ` +
        `memory budget leaves ${left}; trace fewer neurons or raise the memory budget`,
    );
  }
  run.sweep.releaseBuffers();
  const buffers: GPUBuffer[] = [];
  const allocate = async (label: string, bytes: number) => {
    const buffer = await memory.allocate(label, bytes);
    buffers.push(buffer);
    return buffer;
  };
  try {
    const statistics: GPUBuffer[] = [];
    for (let layer = 0; layer < config.layers; layer++) {
      statistics.push(await allocate(`statistics ${layer}`, statisticsBytes));
    }
    const columns: GPUBuffer[] = [];
    const traced: GPUBuffer[] = [];
    for (const [i, { layer, neurons }] of trace.entries()) {
      const buffer = await allocate(`traced neurons ${layer}`, indexBytes[i]);
      // Deno aborts the process when it is given nothing to write.
      if (neurons.length > 0) context.gpu.device.queue.writeBuffer(buffer, 0, Uint32Array.from(neurons));
      columns.push(buffer);
      traced.push(await allocate(`trace ${layer}`, traceBytes[i]));
    }
    let firstRow = 0;
    let done = 0;
    const progress = () =>
      options.onProgress?.({ stage: "activations", done, total: examples.length, unit: "examples" });
    progress();
    await runWaves(run.sweep, { ...run.limits, bytes }, examples, {
      requests: (group) => [request(run, group, statistics, (layer, h, rows) => {
        trace.forEach(({ layer: wanted, neurons }, i) => {
          if (wanted !== layer || neurons.length === 0) return;
          const picked = { entries: columns[i], first: 0, count: neurons.length };
          pickColumns(context, h, picked, traced[i], firstRow * neurons.length, rows);
        });
      }, signal)],
      rows: (example) => example.prompt.length,
      describe: (example) => `example ${example.id}`,
      onWave: ({ items }) => {
        firstRow += items.reduce((sum, example) => sum + example.prompt.length, 0);
        done += items.length;
        progress();
      },
    });
    const whole = (buffer: GPUBuffer) => ({ buffer, offset: 0, size: buffer.size });
    const read = await recorder.read([...statistics, ...traced].map(whole));
    const sums = read.slice(0, config.layers).map((bytes) => new Float32Array(bytes));
    const column = (index: number, scale: number) =>
      sums.map((layer) => Float32Array.from({ length: config.neurons }, (_, j) => layer[4 * j + index] * scale));
    // The mean over nothing is 0, as in the reference engine.
    const share = 1 / Math.max(1, tokens);
    return {
      tokens,
      mean: column(0, share),
      meanAbsolute: column(1, share),
      maxAbsolute: column(2, 1),
      traces: read.slice(config.layers).map((bytes, i) => {
        const values = new Float32Array(bytes);
        const count = trace[i].neurons.length;
        let at = 0;
        return rowsOf.map((rows) => values.slice(at, at += rows * count));
      }),
    };
  } finally {
    for (const buffer of buffers) memory.release(buffer);
    recorder.forgetBindGroups();
  }
}

function request(
  { context, config }: ActivationRun,
  examples: readonly Example[],
  statistics: readonly GPUBuffer[],
  onActivation: NonNullable<WaveRequest["onActivation"]>,
  signal: AbortSignal | undefined,
): WaveRequest {
  const segments = examples.map(({ prompt }) => ({
    length: prompt.length,
    position: 0,
    tokens: prompt,
    spawn: -1,
    asked: [prompt.length - 1],
    gradient: false,
  }));
  return {
    wave: packWave(segments, { layers: config.layers, windows: config.slidingWindow, wholeLastLayer: true }),
    mode: { backward: false, residency: "keep", foldsOutputs: false },
    picks: [],
    skipHead: true,
    ...(signal && { signal }),
    onActivation: (layer, h, rows) => {
      foldStatistics(context, h, config.neurons, statistics[layer], rows);
      onActivation(layer, h, rows);
    },
  };
}
