// out = rope(norm(x + bias)) for the first `rotated` heads of each row, x + bias for the others; shapes [R, heads*K].
// Rotation of pair i (elements i and i + W/2) by the angle of its position: (a, b) -> (a c - b s, b c + a s).
// arXiv:2104.09864
// Elements from W <= K on are not rotated.
// norm is RMSNorm over one head with a learned weight. One workgroup a (row, head). out is overwritten.

override LANES: u32 = 32u; // invocations of a workgroup, a power of two
override HAS_BIAS: bool = false;
override HAS_NORM: bool = false;

struct Params {
  rows: u32, // R
  heads: u32, // heads in a row, all of them K wide
  rotated: u32, // the first so many heads are rotated (and normed), the others only get their bias
  width: u32, // K
  stride: u32, // floats from row to row of x and out
  grid_x: u32,
  first: u32, // entry of `positions` for row 0
  epsilon: f32,
  turned: u32, // W, elements of a head that are rotated; even
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read> angles: array<vec2<f32>>; // cos and sin, [positions, W/2]
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, LANES>;

fn value(head: u32, at: u32, element: u32) -> f32 {
  let v = x[at + element];
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
  let live = row < params.rows;
  let at = row * params.stride + head * params.width;
  let rotate = head < params.rotated;
  let half = select(params.width, params.turned, rotate) >> 1u;
  var inverse = 1.0;
  if (HAS_NORM) {
    var squares = 0.0;
    if (live) {
      for (var i = lane; i < params.width; i += LANES) {
        let v = value(head, at, i);
        squares += v * v;
      }
    }
    partial[lane] = squares;
    workgroupBarrier();
    for (var step = LANES >> 1u; step > 0u; step >>= 1u) {
      if (lane < step) {
        partial[lane] += partial[lane + step];
      }
      workgroupBarrier();
    }
    inverse = inverseSqrt(partial[0] / f32(params.width) + params.epsilon);
  }
  if (!live) {
    return;
  }
  for (var i = lane; i < half; i += LANES) {
    var a = value(head, at, i);
    var b = value(head, at, i + half);
    if (rotate) {
      if (HAS_NORM) {
        a *= inverse * weight[i];
        b *= inverse * weight[i + half];
      }
      let turn = angles[positions[params.first + row] * half + i];
      out[at + i] = a * turn.x - b * turn.y;
      out[at + i + half] = b * turn.x + a * turn.y;
    } else {
      out[at + i] = a;
      out[at + i + half] = b;
    }
  }
  for (var i = 2u * half + lane; i < params.width; i += LANES) {
    var v = value(head, at, i);
    if (HAS_NORM) {
      v *= inverse * weight[i];
    }
    out[at + i] = v;
  }
}
