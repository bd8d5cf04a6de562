/**
 * Runs the kernel tests and the parity tests of the WebGPU engine on the Mesa of another Debian, in a folder made by
 * debootstrap; among them Node with Dawn, which refuses the Mesa of Debian 12. Then does the demo's job there and on
 * this machine's own adapter, and compares scores and plan.
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import peers from "../bench/peers/deno.json" with { type: "json" };
import { describeOptions, type OptionTable, parseOptions } from "../src/cli/arguments.ts";
import { CommandError, describeError, Interrupted, UsageError } from "../src/cli/errors.ts";
import { type DenoCommand, denoHere } from "./adapter.ts";
import { untilAborted } from "./child.ts";
import {
  aptMirror,
  type DebianFolder,
  openDebianFolder,
  PUBLIC_MIRROR,
  type ReadOnly,
  withReadOnly,
} from "./debian_folder.ts";
import { compareDemo } from "./driver_comparison.ts";
import { testDriver } from "./driver_tests.ts";

const OPTIONS = {
  suite: { type: "text", placeholder: "NAME", default: "trixie", description: "Debian's name of the release." },
  folder: {
    type: "text",
    placeholder: "DIR",
    description: "Where the release is, or is made: about 0.7 GB. Default: /var/cache/secateur/debian-NAME.",
  },
  mirror: {
    type: "text",
    placeholder: "URL",
    description: `Where its packages come from. Default: what apt uses on this machine, or ${PUBLIC_MIRROR}.`,
  },
  filter: { type: "text", placeholder: "TEXT", description: "Only tests whose name contains this; no demo." },
  command: {
    type: "text",
    placeholder: "TEXT",
    description: "Run this there, with the project as working directory, instead of tests and demo.",
  },
} as const satisfies OptionTable;

const HELP = `Test kernels and engine on the Mesa of another Debian; as root, on Linux.

Usage: deno task test:mesa [options]

${describeOptions(OPTIONS)}

The folder is made once, with Mesa's Vulkan drivers and Node. Commands in it see the project and Deno's downloads
read-only, and write in the folder alone. When none of them runs, it is an ordinary folder and can be removed; so can
DIR.part-..., which is left where this command is killed outright while it makes one.

Example:
  deno task test:mesa --suite sid --command "deno task demo --out /tmp/demo"
`;

const PACKAGES = ["mesa-vulkan-drivers", "nodejs"];

/** Folders of Deno's cache that hold downloads: packages, remote modules, programs. */
const DOWNLOADS = ["npm", "remote", "dl"];

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Runs Deno on this machine; it must succeed. */
async function prepare(...args: Parameters<DenoCommand>): Promise<Deno.CommandOutput> {
  const result = await denoHere(args[0], { cwd: root, ...args[1] }).output();
  if (result.success) return result;
  const said = new TextDecoder().decode(result.stderr).trim();
  throw new CommandError(`deno ${args[0].join(" ")} failed:\n${said}`, "what is above says why.");
}

/** Downloads all that tests need, as this machine downloads, and says where it is. */
async function downloads(): Promise<ReadOnly[]> {
  await prepare(["install", "--quiet", "--frozen"]);
  // The tests bundle it; the first time, Deno downloads what bundles.
  await prepare(["bundle", "--quiet", "--platform", "deno", "examples/node/main.ts"]);
  const { denoDir } = JSON.parse(new TextDecoder().decode((await prepare(["info", "--json"])).stdout));
  const present = await Promise.all(
    DOWNLOADS.map((name) => Deno.stat(join(denoDir, name)).then(() => [name], () => [])),
  );
  return present.flat().map((name) => ({ from: join(denoDir, name), to: join("/var/cache/deno", name) }));
}

/** Puts Dawn where Node finds it from every folder of the release. */
async function installDawn({ folder }: DebianFolder): Promise<void> {
  const version = peers.imports.webgpu.replace(/^npm:webgpu@/, "");
  const [home, link] = [join(folder, "opt/dawn"), join(folder, "node_modules")];
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(join(home, "package.json"), JSON.stringify({ dependencies: { webgpu: version } }));
  await prepare(["install", "--quiet"], { cwd: home });
  await Deno.remove(link).catch(() => {});
  await Deno.symlink("opt/dawn/node_modules", link);
}

/** The driver file of Mesa's software Vulkan, whose name has an architecture in some releases. */
async function findDriver({ folder }: DebianFolder): Promise<string> {
  const drivers = "/usr/share/vulkan/icd.d";
  for await (const { name } of Deno.readDir(join(folder, drivers))) {
    if (name.startsWith("lvp_icd.")) return join(drivers, name);
  }
  throw new CommandError(`${folder} has no software Vulkan driver`, "remove that folder, to have it made again.");
}

/** Versions of the installed packages that compute. */
async function printVersions(debian: DebianFolder): Promise<void> {
  const args = ["dpkg-query", "--show", "--showformat=driver: ${Package} ${Version}\n", ...PACKAGES];
  console.log(new TextDecoder().decode((await debian.command(args).output()).stdout).trim());
}

/** Runs what the command line asks for; resolves to the exit code. */
async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const options = parseOptions("test:mesa", OPTIONS, args);
  const { suite, command, filter } = options;
  if (!/^[a-z][a-z0-9-]*$/.test(suite)) {
    throw new UsageError(`--suite is ${JSON.stringify(suite)}`, "expected a name of Debian's, such as trixie or sid.");
  }
  const folder = resolve(options.folder ?? `/var/cache/secateur/debian-${suite}`);
  const mirror = (options.mirror ?? await aptMirror() ?? PUBLIC_MIRROR).replace(/\/+$/, "");
  const log = (line: string) => console.error(`debian: ${line}`);
  const bare = await openDebianFolder({ suite, folder, mirror, packages: PACKAGES, signal, log });
  const seen = [
    // Where it is here too, so that results name the same paths.
    { from: root, to: root },
    { from: Deno.execPath(), to: "/usr/local/bin/deno" },
    ...await downloads(),
  ];
  await installDawn(bare);
  const debian = withReadOnly(bare, seen);
  const env = {
    DENO_DIR: "/var/cache/deno",
    DENO_WEBGPU_BACKEND: "vulkan",
    XDG_RUNTIME_DIR: "/tmp",
    // Without it, a GPU of this machine may come first.
    VK_DRIVER_FILES: await findDriver(bare),
    SECATEUR_NODE_ADAPTER: "llvmpipe",
  };
  const there = (args: readonly string[], options: Deno.CommandOptions = {}) =>
    debian.command(args, { cwd: root, ...options, env: { ...env, ...options.env } });
  await printVersions(debian);
  if (command !== undefined) {
    return await untilAborted(there(["sh", "-c", command]), signal, async (child) => (await child.status).code);
  }
  const deno: DenoCommand = (args, options) => there(["deno", ...args], options);
  const code = await testDriver(deno, "llvmpipe", filter === undefined ? [] : ["--filter", filter], signal);
  return code !== 0 || filter !== undefined ? code : await compareDemo(deno, folder, signal);
}

const interruption = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(name, () => interruption.abort(new Interrupted()));
}
try {
  Deno.exit(await main(Deno.args, interruption.signal));
} catch (error) {
  const { code, lines } = describeError(error, true);
  for (const line of lines) console.error(line.replaceAll("secateur test:mesa", "deno task test:mesa"));
  Deno.exit(code);
}
