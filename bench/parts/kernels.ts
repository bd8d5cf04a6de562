/** Every kernel family at working sizes, in every variant, against the adapter's measured roofline. */
import type { KernelVariant, MatmulTiling } from "../../src/ops/context.ts";
import { TILINGS } from "../../src/ops/matmul.ts";
import { difference } from "../../tests/kernels/compare.ts";
import type { KernelCase, PreparedCase } from "../../tests/kernels/kernel_case.ts";
import { Workspace } from "../../tests/kernels/support.ts";
import { TOLERANCES } from "../../tests/kernels/tolerances.ts";
import { BenchDevice, type Work } from "../bench_device.ts";
import { absent, type BenchRun, timed } from "../bench_run.ts";
import { type KernelGroup, kernelGroups } from "../kernel_cases.ts";
import { openRoofline, PROBES, type Roofline, rooflineShare } from "../roofline.ts";
import { type Contender, samplePaired } from "../sampling.ts";
import { median, pairedRatio } from "../statistics.ts";

/** A case in one variant, checked and ready to be timed. */
interface Entry extends Contender {
  readonly case: string;
  /** Its variant, or `ladder`. */
  readonly contender: string;
  readonly work: Work;
  readonly check: Readonly<Record<string, number>>;
}

/** Runs the part. */
export async function benchKernels(run: BenchRun): Promise<void> {
  const device = await BenchDevice.open();
  try {
    run.note(`kernels on ${device.context.gpu.adapter}, timed by ${device.clock}`);
    const roofline = await openRoofline(device, run.quick ? 0.001 : 0.01);
    await benchRoofline(run, roofline);
    for (const group of kernelGroups(run.quick)) {
      const wanted = ({ name }: KernelCase) => run.wants(name) || run.wants(group.name);
      const [cases, ladder] = [group.cases.filter(wanted), group.ladder.filter(wanted)];
      if (cases.length + ladder.length > 0) await benchGroup(run, device, roofline, { ...group, cases, ladder });
    }
  } finally {
    device.close();
  }
}

async function benchRoofline(run: BenchRun, roofline: Roofline): Promise<void> {
  const seconds = await samplePaired([roofline.fma, roofline.copy], run.rounds);
  for (const [name, { work }] of Object.entries(roofline)) {
    const samples = seconds.get(PROBES[name as keyof Roofline])!;
    run.emit(timed("kernels", { case: "roofline", contender: name, figures: rates(work, median(samples)) }, samples));
  }
}

async function benchGroup(run: BenchRun, device: BenchDevice, roofline: Roofline, group: KernelGroup): Promise<void> {
  const workspaces: Workspace[] = [];
  const entries: Entry[] = [];
  try {
    const add = async (
      kernelCase: KernelCase,
      contender: string,
      variant: KernelVariant,
      tiling?: MatmulTiling,
    ) => {
      if (variant === "subgroup" && !device.context.gpu.hasSubgroups) {
        run.emit(absent("kernels", kernelCase.name, contender, "this device has no subgroups of eight lanes"));
        return;
      }
      // A workspace a variant: weights take the form that the variant reads.
      const workspace = new Workspace({ ...device.context, variant, ...(tiling && { tiling }) });
      workspaces.push(workspace);
      const entry = await prepare(device, workspace, kernelCase, contender);
      entries.push(group.touchesAll ? entry : { ...entry, work: { ...entry.work, bytes: 0 } });
    };
    for (const kernelCase of group.cases) {
      for (const variant of group.variants) {
        await add(kernelCase, variant, variant);
        if (!group.tilings) continue;
        for (const tiling of TILINGS[variant]) await add(kernelCase, `${variant} (${tiling})`, variant, tiling);
      }
      if (group.variants.length === 0) await add(kernelCase, "only", "tile");
    }
    for (const retired of group.ladder) await add(retired, "ladder", "subgroup");
    const seconds = await samplePaired([...entries, roofline.fma, roofline.copy], run.rounds);
    for (const entry of entries) {
      const samples = seconds.get(entry.name)!;
      const reference = entries.find((other) => group.against === "first" || other.case === entry.case)!;
      run.emit(timed("kernels", {
        case: entry.case,
        contender: entry.contender,
        ...(reference !== entry && { reference: reference.name }),
        figures: {
          ...rates(entry.work, median(samples)),
          ...(group.touchesAll && { rooflinePercent: 100 * median(shares(entry.work, samples, roofline, seconds)) }),
          ...(reference !== entry && { timesAsFast: pairedRatio(seconds.get(reference.name)!, samples) }),
        },
        check: entry.check,
      }, samples));
    }
  } finally {
    for (const workspace of workspaces) workspace.close();
  }
}

/**
 * Uploads, runs once and compares with float64.
 *
 * @throws {Error} If a result is not within its tolerance: a wrong kernel is not timed.
 */
async function prepare(
  device: BenchDevice,
  workspace: Workspace,
  kernelCase: KernelCase,
  contender: string,
): Promise<Entry> {
  const prepared = await kernelCase.prepare(workspace);
  const work = device.measure(() => prepared.record());
  prepared.record();
  const check = await checkResults(kernelCase.name, prepared);
  const repeats = await device.repeatsFor(() => prepared.record());
  return {
    name: `${kernelCase.name} ${contender}`,
    case: kernelCase.name,
    contender,
    work,
    check,
    sample: () => device.time(() => prepared.record(), repeats),
  };
}

async function checkResults(name: string, prepared: PreparedCase): Promise<{ nmse: number; worst: number }> {
  const check = { nmse: 0, worst: 0 };
  for (const result of await prepared.results()) {
    const { nmse, worst } = difference(result);
    const tolerance = TOLERANCES[result.tolerance];
    if (!(nmse <= tolerance.nmse && worst <= tolerance.worst)) {
      throw new Error(
        `Cannot time ${name}: its ${result.name} is wrong, NMSE ${nmse} (tolerance ${tolerance.nmse}), worst element ` +
          `${worst} (tolerance ${tolerance.worst})`,
      );
    }
    check.nmse = Math.max(check.nmse, nmse);
    check.worst = Math.max(check.worst, worst);
  }
  return check;
}

/** Share of the roofline in each round, against the probes of the same round. */
function shares(
  work: Work,
  samples: readonly number[],
  roofline: Roofline,
  all: ReadonlyMap<string, number[]>,
): number[] {
  const [fma, copy] = [all.get(PROBES.fma)!, all.get(PROBES.copy)!];
  return samples.map((seconds, round) =>
    rooflineShare(work, seconds, roofline.fma.work.flops / fma[round], roofline.copy.work.bytes / copy[round])
  );
}

function rates({ flops, bytes }: Work, seconds: number): Record<string, number> {
  return {
    ...(flops > 0 && { gflopsPerSecond: flops / seconds / 1e9 }),
    ...(bytes > 0 && { gbytesPerSecond: bytes / seconds / 1e9 }),
  };
}
