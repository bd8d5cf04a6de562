/** `@tensorflow/tfjs-core` on `@tensorflow/tfjs-backend-webgpu`. */
import { type Peer, servePeer } from "./protocol.ts";

interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface WebGpuBackend {
  readonly device: GPUDevice;
  /** Null where nothing waits to be submitted. */
  readonly commandEncoder: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

interface Tensorflow {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  backend(): WebGpuBackend;
  tensor2d(values: Float32Array, shape: readonly [number, number]): Tensor;
  matMul(x: Tensor, w: Tensor, transposeX: boolean, transposeW: boolean): Tensor;
}

const [core, webgpu]: string[] = ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"];

await servePeer(async (): Promise<Peer> => {
  const tf: Tensorflow = await import(core);
  await import(webgpu);
  if (!await tf.setBackend("webgpu")) throw new Error("the WebGPU backend does not start");
  const backend = tf.backend();
  return {
    version: tf.version_core,
    adapter: backend.device.adapterInfo.description,
    prepare({ T, K, N, layout }, xValues, wValues) {
      const x = tf.tensor2d(xValues, [T, K]);
      const w = tf.tensor2d(wValues, layout === "nt" ? [N, K] : [K, N]);
      const multiply = () => tf.matMul(x, w, false, layout === "nt");
      return Promise.resolve({
        async run(repeats) {
          for (let i = 0; i < repeats; i++) multiply().dispose();
          if (backend.commandEncoder) {
            backend.endComputePassEncoder();
            backend.submitQueue();
          }
          await backend.device.queue.onSubmittedWorkDone();
        },
        async read() {
          const y = multiply();
          const values = await y.data();
          y.dispose();
          return values;
        },
        release() {
          x.dispose();
          w.dispose();
        },
      });
    },
  };
});
