/** Matrix products of other WebGPU libraries on the same adapter, in the same rounds as Secateur's. */
import { fileURLToPath } from "node:url";
import { BenchDevice } from "../bench_device.ts";
import { absent, type BenchRun, timed } from "../bench_run.ts";
import { startPeer } from "../peers/process.ts";
import { checkedPositions, expectedValues, operands, type PeerAnswer, type ProductShape } from "../peers/protocol.ts";
import { openSecateur } from "../peers/secateur.ts";
import { openRoofline, type Probe } from "../roofline.ts";
import { type Contender, samplePaired } from "../sampling.ts";
import { median, nmse, pairedRatio } from "../statistics.ts";

/** The peers and the files that run them. */
const PEERS = [
  { name: "@jax-js/jax", file: "jax.ts" },
  { name: "@tensorflow/tfjs-backend-webgpu", file: "tfjs.ts" },
  { name: "onnxruntime-web", file: "ort.ts" },
  { name: "secateur on webgpu (Dawn)", file: "dawn.ts" },
] as const;

const SHAPES = [[512, 1024, 1024], [1024, 2048, 2048]] as const;
const QUICK_SHAPES = [[16, 32, 24]] as const;

/** Largest NMSE of a product that counts as right: ten times what f32 sums of this length cost. */
const TOLERANCE = 1e-11;

/** Seconds one sample should at least take, so that the wait for the device does not show. */
const SAMPLE_SECONDS = 0.3;

/** Speeds above this share of the multiply-add roofline are mistakes of the clock, not of the roofline. */
const UNBELIEVABLE_PERCENT = 150;

/** Someone who multiplies matrices, in this process or another. */
interface Multiplier {
  readonly name: string;
  /** Resolves to the checked elements of y. */
  prepare(shape: ProductShape): Promise<readonly number[]>;
  /** Resolves to the seconds of one product. */
  time(repeats: number): Promise<number>;
  close(): Promise<void>;
}

/** Runs the part. */
export async function benchPeers(run: BenchRun): Promise<void> {
  const shapes = (run.quick ? QUICK_SHAPES : SHAPES).flatMap(([T, K, N]) =>
    (["nt", "nn"] as const).map((layout): ProductShape => ({ T, K, N, layout }))
  ).filter((shape) => run.wants(caseName(shape)));
  if (shapes.length === 0) return;
  const device = await BenchDevice.open();
  const { fma } = await openRoofline(device, run.quick ? 0.001 : 0.02);
  const multipliers: Multiplier[] = [await openOwn()];
  try {
    for (const { name, file } of PEERS) {
      const peer = await openPeer(name, file);
      if ("close" in peer) multipliers.push(peer);
      else for (const shape of shapes) run.emit(absent("peers", caseName(shape), name, peer.error));
    }
    for (const shape of shapes) await benchShape(run, multipliers, fma, shape);
  } finally {
    device.close();
    for (const multiplier of multipliers) await multiplier.close();
  }
}

function caseName({ T, K, N, layout }: ProductShape): string {
  return `product ${T}x${K}x${N} f32 ${layout}`;
}

async function benchShape(
  run: BenchRun,
  multipliers: readonly Multiplier[],
  fma: Probe,
  shape: ProductShape,
): Promise<void> {
  const { T, K, N } = shape;
  const name = caseName(shape);
  const expected = expectedValues(shape);
  const checks = new Map<string, number>();
  const contenders: Contender[] = [];
  for (const multiplier of multipliers) {
    try {
      const error = nmse(await multiplier.prepare(shape), expected);
      if (!(error <= TOLERANCE)) throw new Error(`the product is wrong: NMSE ${error}, expected at most ${TOLERANCE}`);
      checks.set(multiplier.name, error);
      const once = await multiplier.time(1);
      const repeats = run.quick ? 1 : Math.max(1, Math.min(256, Math.ceil(SAMPLE_SECONDS / once)));
      contenders.push({ name: multiplier.name, sample: () => multiplier.time(repeats) });
    } catch (error) {
      run.emit(absent("peers", name, multiplier.name, (error as Error).message));
    }
  }
  const seconds = await samplePaired([...contenders, fma], run.rounds);
  const peak = seconds.get(fma.name)!.map((time) => fma.work.flops / time);
  const own = seconds.get(multipliers[0].name);
  for (const { name: contender } of contenders) {
    const samples = seconds.get(contender)!;
    const percent = 100 * median(samples.map((time, round) => 2 * T * K * N / time / peak[round]));
    if (percent > UNBELIEVABLE_PERCENT) {
      const note = `not counted: ${percent.toFixed(0)} % of the roofline, so its work was not done when it said so`;
      run.emit(absent("peers", name, contender, note));
      continue;
    }
    run.emit(timed("peers", {
      case: name,
      contender,
      ...(own && own !== samples && { reference: multipliers[0].name }),
      figures: {
        gflopsPerSecond: 2 * T * K * N / median(samples) / 1e9,
        rooflinePercent: percent,
        ...(own && own !== samples && { timesAsFast: pairedRatio(own, samples) }),
      },
      check: { nmse: checks.get(contender)! },
    }, samples));
  }
}

/** Secateur in this process, on Deno's own WebGPU. */
async function openOwn(): Promise<Multiplier> {
  const own = await openSecateur();
  let product: Awaited<ReturnType<typeof own.prepare>> | undefined;
  return {
    name: `secateur (${own.variant})`,
    async prepare(shape) {
      await product?.release();
      const { x, w } = operands(shape);
      product = await own.prepare(shape, x, w);
      const y = await product.read();
      return checkedPositions(shape).map((position) => y[position]);
    },
    async time(repeats) {
      const start = performance.now();
      await product!.run(repeats);
      return (performance.now() - start) / 1e3 / repeats;
    },
    close: () => own.close(),
  };
}

/** Starts a peer's process; an error says why it cannot be had. */
async function openPeer(name: string, file: string): Promise<Multiplier | { readonly error: string }> {
  const path = (name: string) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
  try {
    const peer = await startPeer<{ readonly version: string }, PeerAnswer>(Deno.execPath(), [
      "run",
      "--allow-all",
      "--quiet",
      "--frozen",
      "--config",
      path("deno.json"),
      path(file),
    ]);
    return {
      name: `${name} ${peer.hello.version}`,
      async prepare(shape) {
        const answer = await peer.ask({ prepare: shape });
        return "values" in answer ? answer.values : [];
      },
      async time(repeats) {
        const answer = await peer.ask({ repeats });
        return "seconds" in answer ? answer.seconds : NaN;
      },
      close: peer.close,
    };
  } catch (error) {
    return { error: `not run: ${(error as Error).message}` };
  }
}
