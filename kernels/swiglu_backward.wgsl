// dg and du of alpha_down h, h = silu(alpha_gate g) * alpha_up u, given dh of the scaled h.
// dg = alpha_gate silu'(alpha_gate g) alpha_up u alpha_down dh, du = alpha_up silu(alpha_gate g) alpha_down dh,
// silu'(z) = s(z) (1 + z (1 - s(z))), s the logistic function; both 0 for silenced neurons; shapes [R,H].
// arXiv:2002.05202
// dg takes the place of dh; du is overwritten.

const NONE = 0xffffffffu;

struct Params {
  rows: u32, // R
  stride: u32, // floats from row to row of all matrices, a multiple of 8
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
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> u: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read_write> dh: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> du: array<vec4<f32>>;

// 0 where the mask silences the neuron, for four neighbouring neurons.
fn kept(mask: u32, column: u32) -> vec4<f32> {
  if (mask == NONE) {
    return vec4(1.0);
  }
  let bits = masks[mask + (column >> 5u)] >> (column & 31u);
  return vec4<f32>(vec4((bits & 1u), ((bits >> 1u) & 1u), ((bits >> 2u) & 1u), ((bits >> 3u) & 1u)) ^ vec4(1u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // Each invocation walks up to four neighbouring vec4, so that a row's entry is read once for sixteen columns.
  let stride = params.stride >> 2u;
  let walks = (stride + 3u) >> 2u;
  let walk = (group.y * params.grid_x + group.x) * 64u + lane;
  let row = walk / walks;
  let begin = (walk % walks) * 4u;
  if (row >= params.rows) {
    return;
  }
  let entry = rows[params.first + row];
  for (var column = begin; column < min(begin + 4u, stride); column += 1u) {
    let at = entry.source * stride + column;
    let index = row * stride + column;
    let z = entry.alpha_gate * g[at];
    let sigmoid = 1.0 / (1.0 + exp(-z));
    let d = dh[index] * entry.alpha_down * entry.alpha_up * kept(entry.mask, column * 4u);
    dh[index] = d * u[at] * (entry.alpha_gate * sigmoid * (1.0 + z * (1.0 - sigmoid)));
    du[index] = d * (z * sigmoid);
  }
}
