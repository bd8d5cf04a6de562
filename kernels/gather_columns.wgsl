// out[r,i] = h[r, columns_i]: the activations of chosen neurons; shapes [R,H] -> [R,n].
// out is overwritten.

struct Params {
  rows: u32, // R
  count: u32, // n
  stride: u32, // floats from row to row of h
  grid_x: u32,
  first: u32, // entry of `columns` for i = 0
  out_first: u32, // element of out for r = 0, i = 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  let row = index / params.count;
  if (row >= params.rows) {
    return;
  }
  out[params.out_first + index] = h[row * params.stride + columns[params.first + index % params.count]];
}
