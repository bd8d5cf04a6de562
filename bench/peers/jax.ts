/** `@jax-js/jax` on its WebGPU backend. */
import { type Peer, servePeer } from "./protocol.ts";

interface JaxArray {
  /** One more reference; operations consume theirs. */
  readonly ref: JaxArray;
  transpose(): JaxArray;
  blockUntilReady(): Promise<JaxArray>;
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): string;
  getWebGPUDevice(): GPUDevice;
  readonly numpy: {
    array(values: Float32Array, options: { shape: readonly number[] }): JaxArray;
    matmul(x: JaxArray, w: JaxArray): JaxArray;
  };
}

// Not a literal, so that the type check of the project does not look for a package that only this peer has.
const specifier: string = "@jax-js/jax";

await servePeer(async (): Promise<Peer> => {
  const jax: Jax = await import(specifier);
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) throw new Error(`no WebGPU backend, only ${devices.join(", ")}`);
  jax.defaultDevice("webgpu");
  const { numpy } = jax;
  return {
    version: "0.1.25",
    adapter: jax.getWebGPUDevice().adapterInfo.description,
    async prepare({ T, K, N, layout }, xValues, wValues) {
      const x = await numpy.array(xValues, { shape: [T, K] }).blockUntilReady();
      const w = await numpy.array(wValues, { shape: layout === "nt" ? [N, K] : [K, N] }).blockUntilReady();
      const multiply = () => numpy.matmul(x.ref, layout === "nt" ? w.ref.transpose() : w.ref);
      return {
        async run(repeats) {
          const results = Array.from({ length: repeats }, multiply);
          await Promise.all(results.map((y) => y.blockUntilReady()));
          for (const y of results) y.dispose();
        },
        read: () => multiply().data(),
        release() {
          x.dispose();
          w.dispose();
        },
      };
    },
  };
});
