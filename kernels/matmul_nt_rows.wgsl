// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. For a few rows, where reading the weights is the whole cost: 64
// invocations split K between them for four rows x four columns, read neighbouring weights, and add up their parts in
// workgroup memory.
// y is overwritten, or accumulated into when params.accumulate is 1.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16

struct Params {
  rows: u32, // R
  columns: u32, // N, a multiple of 8
  depth: u32, // K, a multiple of 8
  x_row: u32, // first row of x
  x_stride: u32, // floats from row to row of x, a multiple of 4
  y_row: u32, // first row of y
  y_stride: u32, // floats from row to row of y, a multiple of 4
  y_column: u32, // first column of y, a multiple of 4
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> parts: array<vec4<f32>, 256>; // [4 rows][64 invocations], of four columns

// Four neighbouring weights; `at` counts groups of four.
fn weights(at: u32) -> vec4<f32> {
  if (WEIGHT_TYPE == 0u) {
    return bitcast<vec4<f32>>(vec4(w[2u * at], w[2u * at + 1u]));
  }
  let bits = w[at];
  if (WEIGHT_TYPE == 1u) {
    return bitcast<vec4<f32>>(vec4(bits.x << 16u, bits.x & 0xffff0000u, bits.y << 16u, bits.y & 0xffff0000u));
  }
  return vec4(unpack2x16float(bits.x), unpack2x16float(bits.y));
}

fn store(row: u32, column: u32, value: vec4<f32>) {
  if (row < params.rows && column < params.columns) {
    let at = ((params.y_row + row) * params.y_stride + params.y_column + column) >> 2u;
    if (params.accumulate == 1u) {
      y[at] += value;
    } else {
      y[at] = value;
    }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 4u;
  let column = group.x * 4u;
  let steps = params.depth >> 2u;
  let x_stride = params.x_stride >> 2u;
  let last_row = params.rows - 1u;
  let x0 = (params.x_row + min(row + 0u, last_row)) * x_stride;
  let x1 = (params.x_row + min(row + 1u, last_row)) * x_stride;
  let x2 = (params.x_row + min(row + 2u, last_row)) * x_stride;
  let x3 = (params.x_row + min(row + 3u, last_row)) * x_stride;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k = lane; k < steps; k += 64u) {
    let w0 = weights((column + 0u) * steps + k);
    let w1 = weights((column + 1u) * steps + k);
    let w2 = weights((column + 2u) * steps + k);
    let w3 = weights((column + 3u) * steps + k);
    let a0 = x[x0 + k];
    sum0 += vec4(dot(a0, w0), dot(a0, w1), dot(a0, w2), dot(a0, w3));
    let a1 = x[x1 + k];
    sum1 += vec4(dot(a1, w0), dot(a1, w1), dot(a1, w2), dot(a1, w3));
    let a2 = x[x2 + k];
    sum2 += vec4(dot(a2, w0), dot(a2, w1), dot(a2, w2), dot(a2, w3));
    let a3 = x[x3 + k];
    sum3 += vec4(dot(a3, w0), dot(a3, w1), dot(a3, w2), dot(a3, w3));
  }
  parts[0u + lane] = sum0;
  parts[64u + lane] = sum1;
  parts[128u + lane] = sum2;
  parts[192u + lane] = sum3;
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
      parts[0u + lane] += parts[0u + lane + half];
      parts[64u + lane] += parts[64u + lane + half];
      parts[128u + lane] += parts[128u + lane + half];
      parts[192u + lane] += parts[192u + lane + half];
    }
  }
  workgroupBarrier();
  if (lane < 4u) {
    store(row + lane, column, parts[64u * lane]);
  }
}
