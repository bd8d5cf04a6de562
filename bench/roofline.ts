/**
 * What this adapter can do at most, as measured: multiply-adds that touch no memory, and a copy that does nothing else.
 * Kernels are compared with these two, not with a data sheet.
 */
import type { BenchDevice, Work } from "./bench_device.ts";
import { type Contender, samplePaired } from "./sampling.ts";
import { median } from "./statistics.ts";

/** One probe of the roofline: a contender and the work of one sample. */
export interface Probe extends Contender {
  readonly work: Work;
}

/** Both probes. Sample them in the same rounds as what is compared with them. */
export interface Roofline {
  /** Multiply-adds in registers. */
  readonly fma: Probe;
  /** A storage-buffer copy; bytes read plus bytes written. */
  readonly copy: Probe;
}

/** The name of a probe in results. */
export const PROBES = { fma: "roofline: fma", copy: "roofline: copy" } as const;

/** Names of independent vec4 chains a lane may have; which is fastest depends on registers and latency. */
const CHAINS = [2, 4, 8];

/** Multiply-adds of each chain in one round of the loop. */
const STEPS = 8;

/** WGSL of a = m a + b in `chains` independent vec4 chains; out[i] = their mean. */
function fmaSource(chains: number): string {
  const names = Array.from({ length: chains }, (_, i) => `x${i}`);
  const steps = Array.from({ length: STEPS }, () => names.map((name) => `    ${name} = fma(${name}, m, b);`)).flat();
  return `struct Params {
  rounds: u32,
  m: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let m = vec4(params.m);
  let b = vec4(params.b);
  let start = vec4(f32(id.x & 63u)) + vec4(0.0, 1.0, 2.0, 3.0);
${names.map((name, i) => `  var ${name} = start + ${4 * i}.0;`).join("\n")}
  for (var round = 0u; round < params.rounds; round++) {
${steps.join("\n")}
  }
  let sum = ${names.join(" + ")};
  out[id.x] = (sum.x + sum.y + sum.z + sum.w) / ${4 * chains}.0;
}
`;
}

/**
 * Compiles, checks and times the probes, and keeps the number of chains that is fastest here.
 *
 * @param seconds How long one sample should take.
 * @throws {Error} If a probe computes something else.
 */
export async function openRoofline(device: BenchDevice, seconds = 0.01): Promise<Roofline> {
  const fma = await fastestFma(device, seconds);
  return { fma, copy: await copyProbe(device, seconds) };
}

async function fastestFma(device: BenchDevice, seconds: number): Promise<Probe> {
  const { memory, kernels, recorder } = device.context;
  const invocations = 65536;
  const out = await memory.allocate("fma results", invocations * 4);
  const probes: Probe[] = [];
  for (const chains of CHAINS) {
    const kernel = kernels.get({ name: `fma_${chains}`, code: fmaSource(chains) });
    const flopsPerRound = 2 * 4 * chains * STEPS * invocations;
    const record = (rounds: number) =>
      recorder.dispatch(
        kernel,
        [out],
        [rounds, { f32: 0.5 }, { f32: 1 }],
        [invocations / 64, 1, 1],
        rounds * flopsPerRound,
      );
    await device.time(() => record(8));
    const rounds = Math.ceil(8 * seconds / await device.time(() => record(8)));
    const [bytes] = await recorder.read([{ buffer: out, offset: 0, size: 4 * invocations }]);
    // 2 is the fixed point of a = a / 2 + 1; 64 steps reach it to the last bit.
    const wrong = new Float32Array(bytes).findIndex((value) => Math.abs(value - 2) > 1e-5);
    if (wrong >= 0) {
      throw new Error(`the multiply-add probe computes ${new Float32Array(bytes)[wrong]}, expected 2`);
    }
    probes.push({
      name: PROBES.fma,
      work: { flops: rounds * flopsPerRound, bytes: 0 },
      sample: () => device.time(() => record(rounds)),
    });
  }
  const named = probes.map((probe, i) => ({ ...probe, name: `${i}` }));
  const times = await samplePaired(named, 5);
  const rates = probes.map(({ work }, i) => work.flops / median(times.get(`${i}`)!));
  return probes[rates.indexOf(Math.max(...rates))];
}

const COPY_CODE = await Deno.readTextFile(new URL("kernels/copy.wgsl", import.meta.url));

async function copyProbe(device: BenchDevice, seconds: number): Promise<Probe> {
  const { memory, kernels, recorder, gpu } = device.context;
  // Larger than the caches where the sample takes long enough to move that much.
  const limit = Math.min(gpu.limits.maxStorageBufferBindingSize, 256 * 2 ** 20);
  const kernel = kernels.get({ name: "copy", code: COPY_CODE });
  const probe = async (bytes: number): Promise<Probe & { destroy(): void }> => {
    const [x, out] = [await memory.allocate("copy from", bytes), await memory.allocate("copy to", bytes)];
    const words = Uint32Array.from({ length: bytes / 4 }, (_, i) => Math.imul(i, 2654435761) >>> 9);
    gpu.device.queue.writeBuffer(x, 0, words);
    const groups = Math.ceil(bytes / 16 / 64);
    const gridX = Math.min(groups, 32768);
    const record = () =>
      recorder.dispatch(kernel, [x, out], [bytes / 16, gridX], [gridX, Math.ceil(groups / gridX), 1], 0);
    await device.time(record);
    const [copied] = await recorder.read([{ buffer: out, offset: 0, size: bytes }]);
    const result = new Uint32Array(copied);
    const wrong = words.findIndex((word, i) => word !== result[i]);
    if (wrong >= 0) throw new Error(`the copy probe wrote ${result[wrong]} at word ${wrong}, expected ${words[wrong]}`);
    return {
      name: PROBES.copy,
      work: { flops: 0, bytes: 2 * bytes },
      sample: () => device.time(record),
      destroy() {
        memory.release(x);
        memory.release(out);
        recorder.forgetBindGroups();
      },
    };
  };
  const small = await probe(2 ** 20);
  const rate = 2 ** 20 / median([await small.sample(), await small.sample(), await small.sample()]);
  small.destroy();
  const bytes = 2 ** Math.floor(Math.log2(Math.max(2 ** 20, Math.min(limit, rate * seconds))));
  return await probe(bytes);
}

/**
 * Share (1 = 100 %) of the roofline that some work reached: the least time the adapter could take over the time taken.
 */
export function rooflineShare(work: Work, seconds: number, flopsPerSecond: number, bytesPerSecond: number): number {
  return Math.max(work.flops / flopsPerSecond, work.bytes / bytesPerSecond) / seconds;
}
