// out[r] = x[map_r], or 0 where map_r is NONE; shapes [R,columns].
// out is overwritten.

const NONE = 0xffffffffu;

struct Params {
  rows: u32, // R
  columns: u32, // floats to copy of each row, a multiple of 4
  x_row: u32, // added to map_r
  x_stride: u32, // floats from row to row, a multiple of 4
  out_stride: u32, // floats from row to row, a multiple of 4
  grid_x: u32,
  first: u32, // entry of `map` for row 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> map: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  let columns = params.columns >> 2u;
  let row = index / columns;
  let column = index % columns;
  if (row >= params.rows) {
    return;
  }
  let source = map[params.first + row];
  var value = vec4<f32>();
  if (source != NONE) {
    value = x[(params.x_row + source) * (params.x_stride >> 2u) + column];
  }
  out[row * (params.out_stride >> 2u) + column] = value;
}
