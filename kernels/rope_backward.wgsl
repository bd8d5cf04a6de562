// d -> the gradient with respect to x of out = rope(norm(x + bias)), in place; shapes [R, heads*K]. See rope.wgsl.
// The rotation is undone by the opposite angle (times the same factor); the head norm goes back as in rmsnorm_backward.
// One workgroup a (row, head). d is overwritten.

override LANES: u32 = 32u; // invocations of a workgroup, a power of two
override HAS_BIAS: bool = false;
override HAS_NORM: bool = false;

struct Params {
  rows: u32, // R
  heads: u32, // heads in a row, all of them K wide
  rotated: u32, // the first so many heads are rotated (and normed), the others only get their bias
  width: u32, // K
  stride: u32, // floats from row to row of x and d
  grid_x: u32,
  first: u32, // entry of `positions` for row 0
  epsilon: f32,
  x_row: u32, // row of x that belongs to row 0 of d
  turned: u32, // W, elements of a head that are rotated; even
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read> angles: array<vec2<f32>>; // cos and sin, [positions, W/2]
@group(0) @binding(6) var<storage, read_write> d: array<f32>;

var<workgroup> partial: array<vec2<f32>, LANES>;

fn value(row: u32, head: u32, element: u32) -> f32 {
  let v = x[(params.x_row + row) * params.stride + head * params.width + element];
  if (HAS_BIAS) {
    return v + bias[head * params.width + element];
  }
  return v;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * params.grid_x + group.x;
  let row = index / params.heads;
  let head = index % params.heads;
  let live = row < params.rows && head < params.rotated;
  let at = row * params.stride + head * params.width;
  let half = params.turned >> 1u;
  var sums = vec2<f32>(); // of x^2 and of w dn x
  if (live) {
    for (var i = lane; i < half; i += LANES) {
      let turn = angles[positions[params.first + row] * half + i];
      let a = d[at + i];
      let b = d[at + i + half];
      let da = a * turn.x + b * turn.y;
      let db = b * turn.x - a * turn.y;
      d[at + i] = da;
      d[at + i + half] = db;
      if (HAS_NORM) {
        let xa = value(row, head, i);
        let xb = value(row, head, i + half);
        sums += vec2(xa * xa + xb * xb, weight[i] * da * xa + weight[i + half] * db * xb);
      }
    }
    if (HAS_NORM) {
      for (var i = params.turned + lane; i < params.width; i += LANES) {
        let v = value(row, head, i);
        sums += vec2(v * v, weight[i] * d[at + i] * v);
      }
    }
  }
  if (HAS_NORM) {
    partial[lane] = sums;
    workgroupBarrier();
    for (var step = LANES >> 1u; step > 0u; step >>= 1u) {
      if (lane < step) {
        partial[lane] += partial[lane + step];
      }
      workgroupBarrier();
    }
    let inverse = inverseSqrt(partial[0].x / f32(params.width) + params.epsilon);
    let mean = partial[0].y * inverse / f32(params.width);
    if (live) {
      // Each invocation visits the same elements as above, so it reads what it wrote itself.
      for (var i = lane; i < half; i += LANES) {
        d[at + i] = (weight[i] * d[at + i] - value(row, head, i) * (inverse * mean)) * inverse;
        d[at + i + half] = (weight[i + half] * d[at + i + half] - value(row, head, i + half) * (inverse * mean)) * inverse;
      }
      for (var i = params.turned + lane; i < params.width; i += LANES) {
        d[at + i] = (weight[i] * d[at + i] - value(row, head, i) * (inverse * mean)) * inverse;
      }
    }
  }
}
