/**
 * How the bench talks to a peer: the peer runs as a process of its own, with its own dependencies, and answers lines of
 * JSON on stdin with lines of JSON on stdout. Only one process works at a time, so peers can be sampled in the same
 * rounds.
 */
import { createRandom } from "../../src/tasks/random.ts";

/** y[T,N] = x[T,K] times weights. */
export interface ProductShape {
  readonly T: number;
  readonly K: number;
  readonly N: number;
  /**
   * `nt`: the weights are `[N,K]`, as checkpoints store them, and are multiplied transposed. `nn`: they are `[K,N]`.
   */
  readonly layout: "nt" | "nn";
}

/** What a peer says first. */
export interface PeerHello {
  readonly version: string;
  readonly adapter: string;
}

/** What a peer is asked. */
export type PeerRequest = { readonly prepare: ProductShape } | { readonly repeats: number };

/** What a peer answers: a product's values at {@link checkedPositions}, or seconds for one product. */
export type PeerAnswer = { readonly values: readonly number[] } | { readonly seconds: number };

/** A product whose operands are on the device. */
export interface PeerProduct {
  /** Computes it `repeats` times and waits until the device has done so. */
  run(repeats: number): Promise<void>;
  /** y, row-major. */
  read(): Promise<Float32Array>;
  /** Frees its memory. */
  release(): void | Promise<void>;
}

/** A library that multiplies matrices. */
export interface Peer {
  readonly version: string;
  readonly adapter: string;
  prepare(shape: ProductShape, x: Float32Array<ArrayBuffer>, w: Float32Array<ArrayBuffer>): Promise<PeerProduct>;
}

/**
 * The operands of a product: uniform in [-1, 1), the same in every process. `w` is `[N,K]` for `nt` and `[K,N]` for
 * `nn`.
 */
export function operands({ T, K, N, layout }: ProductShape): {
  x: Float32Array<ArrayBuffer>;
  w: Float32Array<ArrayBuffer>;
} {
  const { nextUint32 } = createRandom(1);
  const draw = (count: number) => Float32Array.from({ length: count }, () => (nextUint32() >>> 8) / 2 ** 23 - 1);
  const x = draw(T * K);
  const w = draw(N * K);
  if (layout === "nt") return { x, w };
  const turned = new Float32Array(K * N);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) turned[k * N + n] = w[n * K + k];
  return { x, w: turned };
}

/** Elements of y that are compared with float64. */
export function checkedPositions({ T, N }: ProductShape): number[] {
  const { nextBelow } = createRandom(2);
  return Array.from({ length: Math.min(2048, T * N) }, () => nextBelow(T * N));
}

/** The checked elements in float64. */
export function expectedValues(shape: ProductShape): number[] {
  const { K, N } = shape;
  const { x, w } = operands({ ...shape, layout: "nt" });
  return checkedPositions(shape).map((position) => {
    const [row, column] = [Math.floor(position / N), position % N];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += x[row * K + k] * w[column * K + k];
    return sum;
  });
}

/** Serves one peer until stdin ends. Whatever fails is answered as an error. */
export async function servePeer(open: () => Promise<Peer>): Promise<void> {
  // Libraries log to stdout; answers must be alone on it.
  const answer = (message: PeerAnswer | PeerHello | { readonly error: string }) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  console.log = console.info = console.debug = (...values: unknown[]) => console.error(...values);
  let peer: Peer;
  try {
    peer = await open();
  } catch (error) {
    answer({ error: reason(error) });
    return;
  }
  answer({ version: peer.version, adapter: peer.adapter });
  let product: PeerProduct | undefined;
  for await (const line of lines(Deno.stdin.readable)) {
    try {
      const request = JSON.parse(line) as PeerRequest;
      if ("prepare" in request) {
        await product?.release();
        const { x, w } = operands(request.prepare);
        product = await peer.prepare(request.prepare, x, w);
        const y = await product.read();
        answer({ values: checkedPositions(request.prepare).map((position) => y[position]) });
      } else {
        const start = performance.now();
        await product!.run(request.repeats);
        answer({ seconds: (performance.now() - start) / 1e3 / request.repeats });
      }
    } catch (error) {
      answer({ error: reason(error) });
    }
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.split("\n")[0] : String(error);
}

/** The lines of a stream of text. */
export async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts.filter((part) => part.trim() !== "");
  }
}
