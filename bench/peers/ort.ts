/** `onnxruntime-web` on its WebGPU execution provider, with operands and results on the device. */
import { productModel } from "./onnx_model.ts";
import { type Peer, servePeer } from "./protocol.ts";

interface OrtTensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}

interface Session {
  run(inputs: Record<string, OrtTensor>): Promise<{ readonly y: OrtTensor }>;
  release(): Promise<void>;
}

interface Ort {
  readonly env: {
    readonly versions: { readonly common: string };
    logLevel: string;
    readonly webgpu: { readonly device: GPUDevice | Promise<GPUDevice> };
  };
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { executionProviders: readonly string[]; preferredOutputLocation: "gpu-buffer" },
    ): Promise<Session>;
  };
  readonly Tensor: {
    fromGpuBuffer(buffer: GPUBuffer, options: { dataType: "float32"; dims: readonly number[] }): OrtTensor;
  };
}

const specifier: string = "onnxruntime-web/webgpu";

await servePeer(async (): Promise<Peer> => {
  const ort: Ort = await import(specifier);
  ort.env.logLevel = "error";
  const open = (model: Uint8Array) =>
    ort.InferenceSession.create(model, { executionProviders: ["webgpu"], preferredOutputLocation: "gpu-buffer" });
  // The device exists once a session does, and is lost with the last one.
  await open(productModel({ T: 1, K: 4, N: 4, layout: "nn" }));
  const device = await ort.env.webgpu.device;
  const upload = (values: Float32Array<ArrayBuffer>, rows: number, columns: number) => {
    const buffer = device.createBuffer({
      size: values.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    device.queue.writeBuffer(buffer, 0, values);
    return { buffer, tensor: ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [rows, columns] }) };
  };
  return {
    version: ort.env.versions.common,
    adapter: device.adapterInfo.description,
    async prepare(shape, xValues, wValues) {
      const { T, K, N, layout } = shape;
      const session = await open(productModel(shape));
      const x = upload(xValues, T, K);
      const w = layout === "nt" ? upload(wValues, N, K) : upload(wValues, K, N);
      const multiply = async () => (await session.run({ x: x.tensor, w: w.tensor })).y;
      return {
        async run(repeats) {
          for (let i = 0; i < repeats; i++) (await multiply()).dispose();
          await device.queue.onSubmittedWorkDone();
        },
        async read() {
          const y = await multiply();
          const values = await y.getData();
          y.dispose();
          return values;
        },
        async release() {
          await session.release();
          x.buffer.destroy();
          w.buffer.destroy();
        },
      };
    },
  };
});
