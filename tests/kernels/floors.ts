/**
 * Measures the noise floors behind `tolerances.ts`: the largest difference from float64 of every tolerance's results
 * over the whole case tables, in every kernel variant; and of the oracles' gradients from finite differences.
 *
 *     DENO_WEBGPU_BACKEND=vulkan deno run -A tests/kernels/floors.ts
 */
import { foldCases, fusedCases } from "./cases/attribution.ts";
import { attentionCases, attentionGradientCases } from "./cases/attention.ts";
import { headGradientCases, pickCases, reduceCases } from "./cases/head.ts";
import { matmulCases, matmulGradientCases } from "./cases/matmul.ts";
import { normCases, normGradientCases } from "./cases/norm.ts";
import { ropeCases, ropeGradientCases } from "./cases/rope.ts";
import { copyCases, pickColumnsCases, statisticsCases } from "./cases/rows.ts";
import { swigluCases, swigluGradientCases } from "./cases/swiglu.ts";
import { difference } from "./compare.ts";
import { runCase } from "./kernel_case.ts";
import { kernelVariants, openKernels } from "./support.ts";
import type { ToleranceName } from "./tolerances.ts";

const tables = [
  ...[matmulCases, matmulGradientCases, foldCases, fusedCases, attentionCases, attentionGradientCases],
  ...[normCases, normGradientCases, ropeCases, ropeGradientCases, swigluCases, swigluGradientCases],
  ...[reduceCases, pickCases, headGradientCases, copyCases, pickColumnsCases, statisticsCases],
];

interface Floor {
  nmse: number;
  nmseCase: string;
  worst: number;
  worstCase: string;
}

const floors = new Map<ToleranceName, Floor>();
for (const variant of await kernelVariants()) {
  for (const kernelCase of tables.flat()) {
    for (const result of await runCase(kernelCase, { variant })) {
      const { nmse, worst } = difference(result);
      const floor = floors.get(result.tolerance) ?? { nmse: 0, nmseCase: "", worst: 0, worstCase: "" };
      floors.set(result.tolerance, floor);
      const place = `${kernelCase.name}, ${result.name}, ${variant}`;
      if (nmse > floor.nmse) Object.assign(floor, { nmse, nmseCase: place });
      if (worst > floor.worst) Object.assign(floor, { worst, worstCase: place });
    }
  }
}
const gradients = tables.flat().map((kernelCase) => ({
  name: kernelCase.name,
  error: kernelCase.gradientError?.() ?? 0,
}));
const steepest = gradients.reduce((a, b) => b.error > a.error ? b : a);
console.log((await openKernels()).gpu.adapter);
console.log(`oracle against finite differences\n  worst ${steepest.error.toExponential(1)}  ${steepest.name}`);
for (const [name, { nmse, nmseCase, worst, worstCase }] of floors) {
  console.log(
    `${name}\n  NMSE  ${nmse.toExponential(1)}  ${nmseCase}\n  worst ${worst.toExponential(1)}  ${worstCase}`,
  );
}
