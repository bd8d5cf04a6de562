// picked[i] = logits[row_i, token_i].
// picked is overwritten.

struct Params {
  count: u32,
  stride: u32, // floats from row to row of logits
  grid_x: u32,
  first: u32, // entry of `picks` and `picked` for i = 0
  first_row: u32, // subtracted from row_i
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> picks: array<vec2<u32>>; // row, token
@group(0) @binding(3) var<storage, read_write> picked: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  if (index >= params.count) {
    return;
  }
  let pick = picks[params.first + index];
  picked[params.first + index] = logits[(pick.x - params.first_row) * params.stride + pick.y];
}
