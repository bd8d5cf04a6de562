// statistics[H] of h = silu(g) u over R rows: (sum h, sum |h|, max |h|, 0), folded into what is there. One invocation a
// neuron.
// statistics are accumulated into.

struct Params {
  rows: u32, // R
  neurons: u32, // H
  stride: u32, // floats from row to row of h
  grid_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let neuron = (group.y * params.grid_x + group.x) * 64u + lane;
  if (neuron >= params.neurons) {
    return;
  }
  var sum = vec3<f32>();
  for (var row = 0u; row < params.rows; row += 1u) {
    let value = h[row * params.stride + neuron];
    sum = vec3(sum.x + value, sum.y + abs(value), max(sum.z, abs(value)));
  }
  let before = statistics[neuron];
  statistics[neuron] = vec4(before.x + sum.x, before.y + sum.y, max(before.z, sum.z), 0.0);
}
