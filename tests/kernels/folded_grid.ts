/**
 * Linear grids folded over two dimensions at small sizes: a kernel rebuilds the index of a workgroup from both, which
 * otherwise shows only where there are more than 32,768 workgroups.
 */
import * as kernels from "../../kernels/mod.ts";
import type { Recorder } from "../../src/gpu/recorder.ts";
import type { OpContext } from "../../src/ops/context.ts";
import { exportName } from "../../tools/generate_kernels.ts";

/**
 * The same context, but every linear grid of several workgroups is folded into two rows or more, with some to spare.
 */
export function foldGrids(context: OpContext): OpContext {
  const dispatch: Recorder["dispatch"] = (kernel, bindings, params, grid, flops) => {
    const at = gridParameter(kernel.name);
    if (grid[2] !== 1 || params[at] !== grid[0]) {
      throw new Error(`${kernel.name}: parameter ${at} is ${params[at]}, expected the width of the grid ${grid}`);
    }
    const width = Math.max(1, Math.floor(grid[0] / 2));
    const height = Math.ceil(grid[0] * grid[1] / width);
    context.recorder.dispatch(kernel, bindings, params.with(at, width), [width, height, 1], flops);
  };
  const recorder = new Proxy(context.recorder, {
    get(target, key) {
      if (key === "dispatch") return dispatch;
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { ...context, recorder };
}

/** Place of `grid_x` in a kernel's parameters. */
function gridParameter(name: string): number {
  const code = (kernels as Readonly<Record<string, string>>)[exportName(`${name}.wgsl`)];
  const members = /struct Params \{([^}]*)\}/.exec(code)![1].split("\n").filter((line) => line.includes(":"));
  return members.findIndex((line) => line.trim().startsWith("grid_x"));
}
