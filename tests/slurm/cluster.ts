/**
 * A Slurm of one node, started as a person without systemd would: a private configuration, and its own munge,
 * controller and node.
 */
import { join } from "node:path";
import { installationCommand, type SystemPackage } from "../../src/cli/system_package.ts";
import { installPackage } from "../../tools/system_package.ts";

const slurmPackage: SystemPackage = { debian: "slurm-wlm munge", ubuntu: "slurm-wlm munge" };

/** What a finished command printed. */
async function output(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], env, stdin: "null" }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

async function isInstalled(): Promise<boolean> {
  try {
    for (const program of ["munged", "slurmctld", "slurmd"]) await output(program, ["-V"]);
    return true;
  } catch {
    return false;
  }
}

/**
 * @throws {Error} If Slurm is not there and may not be installed, or this is not root, which its node daemon asks for.
 */
export async function ensureSlurm(): Promise<void> {
  if (await isInstalled()) {
    if (Deno.uid() === 0) return;
    throw new Error("Cannot start Slurm: its node daemon runs jobs for others, so this test runs as root");
  }
  if (await installPackage(slurmPackage, (line) => console.error(`slurm: ${line}`)) && await isInstalled()) return;
  const command = await installationCommand(slurmPackage);
  throw new Error(`Cannot find Slurm: ${command === null ? "install Slurm and munge" : `run as root: ${command}`}`);
}

/** A port of the loopback address that is free now. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** A running Slurm. */
export interface Cluster {
  /** What its commands need in their environment. */
  readonly env: Record<string, string>;
  /** Runs one of its commands. */
  run(command: string, ...args: string[]): Promise<string>;
}

/** Waits for something, and says what was printed last where it does not come. */
export async function waitFor(what: string, seconds: number, check: () => Promise<boolean>): Promise<void> {
  for (const until = Date.now() + 1000 * seconds; Date.now() < until;) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`${what} did not happen within ${seconds} s`);
}

/** Starts a Slurm of one node in a folder, lets `use` work with it, and ends it. */
export async function withCluster(folder: string, use: (cluster: Cluster) => Promise<void>): Promise<void> {
  const host = (await output("hostname", ["-s"])).trim();
  const at = (name: string) => join(folder, name);
  for (const name of ["run", "state", "spool"]) await Deno.mkdir(at(name), { mode: 0o755 });
  // munge asks for folders that others may pass.
  await Deno.chmod(folder, 0o755);
  await Deno.writeFile(at("munge.key"), crypto.getRandomValues(new Uint8Array(128)), { mode: 0o400 });
  const pids = [at("run/slurmd.pid"), at("run/slurmctld.pid"), at("run/munged.pid")];
  await Deno.writeTextFile(
    at("slurm.conf"),
    `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=${freePort()}
SlurmdPort=${freePort()}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=${at("run/munge.socket")}
StateSaveLocation=${at("state")}
SlurmdSpoolDir=${at("spool")}
SlurmctldPidFile=${pids[1]}
SlurmdPidFile=${pids[0]}
SlurmctldLogFile=${at("slurmctld.log")}
SlurmdLogFile=${at("slurmd.log")}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=requeue_delay=1
ReturnToService=2
KillWait=2
MinJobAge=3600
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${navigator.hardwareConcurrency} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`,
  );
  const env = { SLURM_CONF: at("slurm.conf") };
  const run = (command: string, ...args: string[]) => output(command, args, env);
  // Each goes on in the background by itself and leaves its number in a file.
  const start = async (command: string, ...args: string[]) => {
    const { success } = await new Deno.Command(command, { args, env, stdin: "null", stdout: "null", stderr: "null" })
      .output();
    if (!success) throw new Error(`${command} did not start`);
  };
  try {
    await start(
      "munged",
      "--force",
      ...[`--key-file=${at("munge.key")}`, `--socket=${at("run/munge.socket")}`, `--pid-file=${pids[2]}`],
      ...[`--log-file=${at("munged.log")}`, `--seed-file=${at("munge.seed")}`],
    );
    await start("slurmctld", "-c");
    await waitFor(
      "slurmctld's answer",
      30,
      () => run("scontrol", "ping").then((text) => text.includes("UP"), () => false),
    );
    await start("slurmd", "-c");
    await waitFor("an idle node", 30, async () => (await run("sinfo", "--noheader", "--format=%t")).startsWith("idle"));
    await use({ env, run });
  } catch (error) {
    for (const log of ["slurmctld.log", "slurmd.log"]) {
      console.error((await Deno.readTextFile(at(log)).catch(() => "")).split("\n").slice(-30).join("\n"));
    }
    throw error;
  } finally {
    // Jobs first: their processes would outlive the daemons.
    await run("scancel", "--signal=KILL", "--full", "--user=root").catch(() => {});
    await run("scancel", "--user=root").catch(() => {});
    for (const file of pids) {
      const pid = Number(await Deno.readTextFile(file).catch(() => "0"));
      if (!(pid > 0)) continue;
      try {
        Deno.kill(pid, "SIGTERM");
      } catch {
        continue;
      }
      await waitFor(`the end of ${file}`, 30, () => Deno.stat(`/proc/${pid}`).then(() => false, () => true));
    }
  }
}
