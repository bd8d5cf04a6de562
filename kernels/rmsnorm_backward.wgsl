// dx[r] (+)= (w dn - xhat mean(w dn xhat)) / rms(x), xhat = x / rms(x), for n = xhat w; shapes [R,D].  arXiv:1910.07467
// One workgroup a row. dx is accumulated into, or overwritten when params.accumulate is 0.

override LANES: u32 = 64u; // invocations of a workgroup, a power of two

struct Params {
  rows: u32, // R
  width: u32, // D
  stride: u32, // floats from row to row, a multiple of 8
  grid_x: u32,
  x_row: u32, // row of x that belongs to row 0 of dn and dx
  accumulate: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dn: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

var<workgroup> partial: array<vec2<f32>, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * params.grid_x + group.x;
  let stride = params.stride >> 2u;
  let live = row < params.rows;
  let x_at = (params.x_row + row) * stride;
  var sums = vec2<f32>(); // of x^2 and of w dn x
  if (live) {
    for (var at = lane; at < stride; at += LANES) {
      let v = x[x_at + at];
      sums += vec2(dot(v, v), dot(weight[at] * dn[row * stride + at], v));
    }
  }
  partial[lane] = sums;
  workgroupBarrier();
  for (var half = LANES >> 1u; half > 0u; half >>= 1u) {
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
    workgroupBarrier();
  }
  let inverse = inverseSqrt(partial[0].x / f32(params.width) + params.epsilon);
  let mean = partial[0].y * inverse / f32(params.width);
  if (live) {
    for (var at = lane; at < stride; at += LANES) {
      let i = row * stride + at;
      let d = (weight[at] * dn[i] - x[x_at + at] * (inverse * mean)) * inverse;
      if (params.accumulate == 1u) {
        dx[i] += d;
      } else {
        dx[i] = d;
      }
    }
  }
}
