/**
 * Makes sure that this machine has a WebGPU adapter, before a command that needs one.
 *
 * Exits with 0 when there is an adapter. Otherwise says what to install and exits with 1, or with 0 under `--optional`,
 * for a command that can fall back to the reference engine.
 */
import { adapterAdvice } from "../src/cli/system_package.ts";
import { ensureAdapter } from "./adapter.ts";

const log = (line: string) => console.error(`adapter: ${line}`);
const adapter = await ensureAdapter(log);
if (adapter !== null) {
  log(adapter);
} else if (Deno.args.includes("--optional")) {
  log(`none; ${await adapterAdvice()}`);
} else {
  console.error(`Error: this machine has no WebGPU adapter.\nHint: ${await adapterAdvice()}`);
  Deno.exit(1);
}
