/**
 * Runs the kernel tests and the parity tests of the WebGPU engine on SwiftShader, the software Vulkan driver that comes
 * with Chromium: an adapter with subgroups of 4, 10 storage buffers in a stage, 256 invocations in a workgroup and no
 * f16. A path to `vk_swiftshader_icd.json` may be given; arguments that start with `--` go to `deno test`.
 */
import { denoHere } from "./adapter.ts";
import { SWIFTSHADER_DRIVERS, testDriver } from "./driver_tests.ts";

const [given] = Deno.args.filter((argument) => !argument.startsWith("--"));
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
const found = await Promise.all((given === undefined ? SWIFTSHADER_DRIVERS : [given]).map(exists));
const driver = (given === undefined ? SWIFTSHADER_DRIVERS : [given])[found.indexOf(true)];
if (driver === undefined) {
  console.error("Error: this machine has no SwiftShader.\nHint: on Debian, `apt-get install chromium` brings it.");
  Deno.exit(1);
}
// The tests' own processes inherit it too.
Deno.env.set("VK_DRIVER_FILES", driver);
Deno.exit(await testDriver(denoHere, "SwiftShader", Deno.args.filter((argument) => argument.startsWith("--"))));
