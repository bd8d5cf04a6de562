// out[r] = x[r], 0 at silenced output dimensions: the gradient of a block's output as its down projection sees it;
// shapes [R,D].
// out is overwritten.

const NONE = 0xffffffffu;

struct Params {
  rows: u32, // R
  stride: u32, // floats from row to row of x and out, a multiple of 8
  grid_x: u32,
  first: u32, // entry of `rows` for row 0
}

struct Row {
  source: u32, // row it continues
  alpha_gate: f32, // factors on gate, up and down outputs: 1 away from the path
  alpha_up: f32,
  alpha_down: f32,
  mask: u32, // first word of the mask of silenced neurons, or NONE
  mask_down: u32, // first word of the mask of silenced output dimensions, or NONE
  unused0: u32,
  unused1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  let columns = params.stride >> 2u;
  let row = index / columns;
  if (row >= params.rows) {
    return;
  }
  var value = x[index];
  let mask = rows[params.first + row].mask_down;
  if (mask != NONE) {
    let column = (index % columns) * 4u;
    let bits = masks[mask + (column >> 5u)] >> (column & 31u);
    let off = vec4((bits & 1u) != 0u, (bits & 2u) != 0u, (bits & 4u) != 0u, (bits & 8u) != 0u);
    value = select(value, vec4<f32>(), off);
  }
  out[index] = value;
}
