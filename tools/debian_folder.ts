/**
 * Another release of Debian in a folder, made by debootstrap, and commands that run inside of it. Everything that works
 * there has a mount and a process namespace of its own: the machine itself never sees a mount in the folder, and
 * nothing outlives the command, however this process ends.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CommandError } from "../src/cli/errors.ts";
import { installationCommand, type SystemPackage } from "../src/cli/system_package.ts";
import { untilAborted } from "./child.ts";
import { installPackage } from "./system_package.ts";

const debootstrapPackage: SystemPackage = { debian: "debootstrap", ubuntu: "debootstrap debian-archive-keyring" };

/** Debian's public mirror. */
export const PUBLIC_MIRROR = "http://deb.debian.org/debian";

/** Where a folder says which release it holds: only folders that have this file are used again. */
const MARK = "etc/secateur-suite";

/** Search path of the commands in a folder, and of those that lead there. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Something of this machine that a command in the folder sees, and cannot change. */
export interface ReadOnly {
  /** A file or a folder here. */
  readonly from: string;
  /** Where it is seen: a path in the folder. */
  readonly to: string;
}

/** A release of Debian in a folder. */
export interface DebianFolder {
  readonly folder: string;
  /** Makes a command that runs in the folder, in an environment of its own but for `env` of the options. */
  command(args: readonly string[], options?: Deno.CommandOptions): Deno.Command;
}

/** What to make, and where. */
export interface DebianRequest {
  /** Name of the release, such as `trixie`. */
  readonly suite: string;
  /** Absolute path. */
  readonly folder: string;
  /** URL of the packages, such as {@link PUBLIC_MIRROR}. */
  readonly mirror: string;
  /** Names of packages that must be installed. */
  readonly packages: readonly string[];
  /** Ends what is under way; half a folder is removed. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/**
 * The mirror that apt takes Debian's own packages from on this machine; null where there is none, or it is no web
 * server.
 */
export async function aptMirror(): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command("apt-get", {
      args: ["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
      stdin: "null",
      stderr: "null",
    }).output();
    return mirrorOf(new TextDecoder().decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The mirror in lines of `origin|label|URL`. */
export function mirrorOf(targets: string): string | null {
  return /^Debian\|Debian\|(https?:\/\/\S+?)\/*$/m.exec(targets)?.[1] ?? null;
}

/** Mount points in a folder, from the text of `/proc/self/mountinfo`. */
export function mountsIn(folder: string, mountinfo: string): string[] {
  const points = mountinfo.split("\n").filter(Boolean).map((line) =>
    line.split(" ")[4].replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
  );
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`));
}

/**
 * The release in its folder: as it is there from an earlier time, else made.
 *
 * @throws {CommandError} If this is not root on Linux, or may not mount, debootstrap is missing, the mirror lacks the
 * release or cannot be reached, a package is not to be had, or the folder holds something else.
 */
export async function openDebianFolder(request: DebianRequest): Promise<DebianFolder> {
  const { suite, folder, packages, signal, log } = request;
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    throw new CommandError("only root may enter another Debian, on Linux", "run it as root, as in a container.");
  }
  await requireNamespaces();
  if (await isUnused(folder)) {
    await requireDebootstrap(log);
    await requireSuite(request);
    await make(request);
  } else {
    const mark = await Deno.readTextFile(join(folder, MARK)).catch(() => null);
    if (mark?.trim() !== suite) {
      const found = mark === null ? "something else" : `Debian ${mark.trim()}`;
      throw new CommandError(`${folder} holds ${found}, not Debian ${suite}`, "name another folder with --folder.");
    }
    log(`Debian ${suite} is in ${folder}`);
    await install(folder, packages, signal, log);
  }
  return { folder, command: (args, options) => commandIn(folder, [], args, options) };
}

/** The same release, where commands also see files and folders of this machine. */
export function withReadOnly(debian: DebianFolder, seen: readonly ReadOnly[]): DebianFolder {
  return { ...debian, command: (args, options) => commandIn(debian.folder, seen, args, options) };
}

/** Whether a folder is empty or not there. */
async function isUnused(folder: string): Promise<boolean> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).length === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

/** @throws {CommandError} If root may not have namespaces of its own here, as in many containers. */
async function requireNamespaces(): Promise<void> {
  const hint = "install util-linux; a container needs CAP_SYS_ADMIN, as `docker run --privileged` gives it.";
  try {
    const { success, stderr } = await apart(["mount", "-t", "tmpfs", "none", "/mnt"], {}).output();
    if (success) return;
    throw new CommandError(`root may not mount here: ${new TextDecoder().decode(stderr).trim()}`, hint);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new CommandError("this machine has no setpriv or no unshare", hint, { cause: error });
  }
}

async function requireDebootstrap(log: (line: string) => void): Promise<void> {
  const isThere = () =>
    new Deno.Command("debootstrap", { args: ["--version"], stdin: "null", stdout: "null" }).output().then(
      ({ success }) => success,
      () => false,
    );
  if (await isThere() || (await installPackage(debootstrapPackage, log) && await isThere())) return;
  const command = await installationCommand(debootstrapPackage);
  throw new CommandError(
    "this machine has no debootstrap",
    command === null ? "install debootstrap and Debian's archive keys." : `run: ${command}`,
  );
}

/** @throws {CommandError} If the mirror lacks the release or cannot be reached. */
async function requireSuite({ suite, mirror, signal }: DebianRequest): Promise<void> {
  const url = `${mirror}/dists/${suite}/InRelease`;
  const hint = "check --suite, or name another mirror with --mirror.";
  let response: Response;
  try {
    response = await fetch(url, { method: "HEAD", signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]) });
  } catch (error) {
    signal.throwIfAborted();
    throw new CommandError(`${mirror} cannot be reached: ${(error as Error).message}`, hint, { cause: error });
  }
  await response.body?.cancel();
  if (!response.ok) throw new CommandError(`${url} is not there (HTTP ${response.status})`, hint);
}

/** Makes the folder beside its place and moves it there when it is whole. */
async function make({ suite, folder, mirror, packages, signal, log }: DebianRequest): Promise<void> {
  await Deno.mkdir(dirname(folder), { recursive: true });
  // The real path, as the list of mounts has it.
  const parent = await Deno.realPath(dirname(folder));
  const partial = await Deno.makeTempDir({ dir: parent, prefix: `${basename(folder)}.part-` });
  try {
    // Programs in it that are not root must be able to pass.
    await Deno.chmod(partial, 0o755);
    const options = ["--force-check-gpg", "--variant=minbase", "--include=ca-certificates"];
    log(`debootstrap ${suite} from ${mirror}`);
    await runQuietly("debootstrap", apart(["debootstrap", ...options, suite, partial, mirror], piped), signal);
    await install(partial, packages, signal, log);
    await Deno.writeTextFile(join(partial, MARK), `${suite}\n`);
    await Deno.rename(partial, folder);
  } catch (error) {
    const mounts = mountsIn(partial, await Deno.readTextFile("/proc/self/mountinfo"));
    if (mounts.length > 0) log(`${partial} is left there: something is mounted at ${mounts.join(", ")}`);
    else await Deno.remove(partial, { recursive: true });
    throw error;
  }
}

/** Installs the packages that are missing in a folder, as its own lists of packages have them: those of its making. */
async function install(
  folder: string,
  packages: readonly string[],
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  const { stdout } = await commandIn(
    folder,
    [],
    ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n"],
    { stderr: "null" },
  ).output();
  const present = new Set(new TextDecoder().decode(stdout).split("\n").map((line) => line.trim()));
  const missing = packages.filter((name) => !present.has(`${name} ii`));
  if (missing.length === 0) return;
  const args = ["apt-get", "install", "--yes", "--no-install-recommends", ...missing];
  log(args.join(" "));
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runQuietly("apt-get", commandIn(folder, [], args, { env, ...piped }), signal);
}

const piped = { stdin: "null", stdout: "piped", stderr: "piped" } as const;

/** @throws {CommandError} If the command fails: with its errors, or the end of what it printed. */
async function runQuietly(name: string, command: Deno.Command, signal: AbortSignal): Promise<void> {
  // Its output ends when the last of its processes has: then nobody writes in the folder any more.
  const { success, stdout, stderr } = await untilAborted(command, signal, (child) => child.output());
  if (success) return;
  const lines = [stdout, stderr].flatMap((bytes) => new TextDecoder().decode(bytes).trim().split("\n"));
  const said = lines.filter((line) => /^[EW]: /.test(line));
  throw new CommandError(
    `${name} failed:\n${(said.length > 0 ? said : lines).slice(-8).join("\n")}`,
    "where that is the mirror's fault, name another one with --mirror.",
  );
}

/** A command in namespaces of its own, which ends with this process. */
function apart(args: readonly string[], options: Deno.CommandOptions): Deno.Command {
  return new Deno.Command("setpriv", {
    ...options,
    args: ["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--kill-child", ...args],
    clearEnv: true,
    // `apt` and `debootstrap` ask the same proxy as this process.
    env: { ...proxies(), LANG: "C.UTF-8", ...options.env, PATH },
  });
}

function proxies(): Record<string, string> {
  const names = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Mounts what a command needs, then enters the folder: `folder directory [from to]... -- command...`. */
const ENTER = `
folder=$1 directory=$2
shift 2
mount -t proc proc "$folder/proc"
mount --rbind /dev "$folder/dev"
while [ "$1" != -- ]; do
  at=$folder$2
  if [ -d "$1" ]; then mkdir -p "$at"; else mkdir -p "\${at%/*}"; [ -e "$at" ] || : > "$at"; fi
  mount --bind -o ro "$1" "$at"
  shift 2
done
shift
exec chroot "$folder" sh -c 'cd "$0" && exec "$@"' "$directory" "$@"`;

function commandIn(
  folder: string,
  seen: readonly ReadOnly[],
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Deno.Command {
  const { cwd, ...rest } = options;
  const names = { from: "/etc/resolv.conf", to: "/etc/resolv.conf" };
  const all = [...existsSync(names.from) ? [names] : [], ...seen];
  return apart(
    ["sh", "-ec", ENTER, "sh", folder, String(cwd ?? "/"), ...all.flatMap(({ from, to }) => [from, to]), "--", ...args],
    { stdin: "null", ...rest, env: { HOME: "/root", ...rest.env } },
  );
}
