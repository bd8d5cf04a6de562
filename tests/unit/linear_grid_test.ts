/** Grids of workgroups that are counted in one dimension and dispatched in two. */
import { assert, assertEquals } from "@std/assert";
import { linearGrid } from "../../src/gpu/recorder.ts";

Deno.test("linearGrid() takes one dimension when it is wide enough", () => {
  assertEquals([0, 1, 77, 32_768].map(linearGrid), [[1, 1, 1], [1, 1, 1], [77, 1, 1], [32_768, 1, 1]]);
});

Deno.test("linearGrid() has room for every workgroup within WebGPU's limits when there are very many", () => {
  for (const count of [32_769, 65_535, 65_536, 1_000_003, 2_000_000_000]) {
    const [x, y, z] = linearGrid(count);
    assert(x * y * z >= count && x * (y - 1) < count, `${x} x ${y} x ${z} for ${count}`);
    assert(Math.max(x, y, z) <= 65_535, `${x} x ${y} x ${z} for ${count}`);
  }
});
