// x_out[r] = x[source_r] + alpha_r y[r] (silenced dimensions of y are 0);  n[r] = x_out[r] * weight / rms(x_out[r]),
// rms(x) = sqrt(mean(x^2) + epsilon), shapes [R,D].  arXiv:1910.07467
// One workgroup a row. x_out and n are overwritten.

override LANES: u32 = 64u; // invocations of a workgroup, a power of two
override HAS_Y: bool = true; // otherwise x_out = x and is not written
override HAS_ROWS: bool = false; // otherwise source_r = r and alpha_r = 1

const NONE = 0xffffffffu;

struct Params {
  rows: u32, // R
  width: u32, // D
  stride: u32, // floats from row to row of all four matrices, a multiple of 8
  grid_x: u32,
  first: u32, // entry of `rows` for row 0
  epsilon: f32,
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
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> x_out: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> n: array<vec4<f32>>;

var<workgroup> partial: array<f32, LANES>;

// 0 where the mask silences the neuron, for four neighbouring neurons.
fn kept(mask: u32, column: u32) -> vec4<f32> {
  if (mask == NONE) {
    return vec4(1.0);
  }
  let bits = masks[mask + (column >> 5u)] >> (column & 31u);
  return vec4<f32>(vec4((bits & 1u), ((bits >> 1u) & 1u), ((bits >> 2u) & 1u), ((bits >> 3u) & 1u)) ^ vec4(1u));
}

fn value(entry: Row, row: u32, at: u32) -> vec4<f32> {
  let stride = params.stride >> 2u;
  let x_value = x[entry.source * stride + at];
  if (!HAS_Y) {
    return x_value;
  }
  let y_value = y[row * stride + at];
  if (!HAS_ROWS) {
    return x_value + y_value;
  }
  return x_value + entry.alpha_down * kept(entry.mask_down, at * 4u) * y_value;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * params.grid_x + group.x;
  let stride = params.stride >> 2u;
  let live = row < params.rows;
  var entry = Row(row, 1.0, 1.0, 1.0, NONE, NONE, 0u, 0u);
  if (HAS_ROWS && live) {
    entry = rows[params.first + row];
  }
  var squares = 0.0;
  if (live) {
    for (var at = lane; at < stride; at += LANES) {
      let v = value(entry, row, at);
      squares += dot(v, v);
      if (HAS_Y) {
        x_out[row * stride + at] = v;
      }
    }
  }
  partial[lane] = squares;
  workgroupBarrier();
  for (var half = LANES >> 1u; half > 0u; half >>= 1u) {
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
    workgroupBarrier();
  }
  let inverse = inverseSqrt(partial[0] / f32(params.width) + params.epsilon);
  if (live) {
    for (var at = lane; at < stride; at += LANES) {
      var v: vec4<f32>;
      if (HAS_Y) {
        v = x_out[row * stride + at];
      } else {
        v = value(entry, row, at);
      }
      n[row * stride + at] = v * inverse * weight[at];
    }
  }
}
