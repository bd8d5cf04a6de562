/**
 * Runs the kernel tests and the parity tests of the WebGPU engine on SwiftShader, the software Vulkan driver that comes
 * with Chromium: an adapter with subgroups of 4, 10 storage buffers in a stage, 256 invocations in a workgroup and no
 * f16. A path to `vk_swiftshader_icd.json` may be given; arguments that start with `--` go to `deno test`.
 */
import { denoHere } from "./adapter.ts";
import { testDriver } from "./driver_tests.ts";

/** Where Debian's and Google's packages put the driver. */
const DRIVERS = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

const [given] = Deno.args.filter((argument) => !argument.startsWith("--"));
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
const found = await Promise.all((given === undefined ? DRIVERS : [given]).map(exists));
const driver = (given === undefined ? DRIVERS : [given])[found.indexOf(true)];
if (driver === undefined) {
  console.error("Error: this machine has no SwiftShader.\nHint: on Debian, `apt-get install chromium` brings it.");
  Deno.exit(1);
}
// The tests' own processes inherit it too.
Deno.env.set("VK_DRIVER_FILES", driver);
Deno.exit(await testDriver(denoHere, "SwiftShader", Deno.args.filter((argument) => argument.startsWith("--"))));
