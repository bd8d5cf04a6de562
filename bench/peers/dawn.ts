/** Secateur's own kernels on Dawn's WebGPU (npm `webgpu`), injected as a `GPU`. */
import { servePeer } from "./protocol.ts";
import { openSecateur } from "./secateur.ts";

const specifier: string = "webgpu";

await servePeer(async () => {
  const { create }: { create(options: readonly string[]): GPU } = await import(specifier);
  const gpu = create([]);
  if (!await gpu.requestAdapter()) throw new Error("Dawn finds no adapter it accepts");
  return await openSecateur({ gpu });
});
