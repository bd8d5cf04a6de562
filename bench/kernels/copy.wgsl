// out[i] = x[i], 16 bytes an invocation: the adapter's storage bandwidth, counted as bytes read plus bytes written.
// out is overwritten.

struct Params {
  count: u32, // vec4 to copy
  grid_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  if (index < params.count) {
    out[index] = x[index];
  }
}
