// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. A register tile without workgroup memory
// and with the weights in a texture, as in matmul_nt_subgroup: eight lanes own 16 rows x 64 columns. Needs subgroups of
// at least eight lanes.
// dx is overwritten, or accumulated into when params.accumulate is 1.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16

struct Params {
  rows: u32, // R
  columns: u32, // K, a multiple of 8: the columns of w and of dx
  depth: u32, // N, a multiple of 8: the rows of w that are summed over
  y_row: u32, // first row of dy
  y_stride: u32, // floats from row to row of dy, a multiple of 4
  y_column: u32, // first column of dy, a multiple of 4
  x_row: u32, // first row of dx
  x_stride: u32, // floats from row to row of dx, a multiple of 4
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var w: texture_2d<u32>; // [N][K], four f32 or eight half-precision weights a texel
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

// The first and the last four of eight half-precision weights.
fn low(bits: vec4<u32>) -> vec4<f32> {
  if (WEIGHT_TYPE == 1u) {
    return bitcast<vec4<f32>>(vec4(bits.x << 16u, bits.x & 0xffff0000u, bits.y << 16u, bits.y & 0xffff0000u));
  }
  return vec4(unpack2x16float(bits.x), unpack2x16float(bits.y));
}

fn high(bits: vec4<u32>) -> vec4<f32> {
  return low(bits.zwzw);
}

// Eight neighbouring weights of one row; `column` counts groups of eight.
struct Weights {
  left: vec4<f32>,
  right: vec4<f32>,
}

fn weights(column: u32, row: u32) -> Weights {
  if (WEIGHT_TYPE == 0u) {
    return Weights(
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * column, row), 0)),
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * column + 1u, row), 0)),
    );
  }
  let bits = textureLoad(w, vec2(column, row), 0);
  return Weights(low(bits), high(bits));
}

fn store(row: u32, column: u32, left: vec4<f32>, right: vec4<f32>) {
  if (row < params.rows && column < params.columns) {
    let at = ((params.x_row + row) * params.x_stride + column) >> 2u;
    if (params.accumulate == 1u) {
      dx[at] += left;
      dx[at + 1u] += right;
    } else {
      dx[at] = left;
      dx[at + 1u] = right;
    }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 16u;
  let column = group.x * 64u + lane * 8u;
  let last_row = params.rows - 1u;
  let y_stride = params.y_stride >> 2u;
  let y_low = (params.y_row + min(row + lane, last_row)) * y_stride + (params.y_column >> 2u);
  let y_high = (params.y_row + min(row + lane + 8u, last_row)) * y_stride + (params.y_column >> 2u);
  let w_column = min(column, params.columns - 8u) >> 3u;
  var left0 = vec4<f32>();
  var right0 = vec4<f32>();
  var left1 = vec4<f32>();
  var right1 = vec4<f32>();
  var left2 = vec4<f32>();
  var right2 = vec4<f32>();
  var left3 = vec4<f32>();
  var right3 = vec4<f32>();
  var left4 = vec4<f32>();
  var right4 = vec4<f32>();
  var left5 = vec4<f32>();
  var right5 = vec4<f32>();
  var left6 = vec4<f32>();
  var right6 = vec4<f32>();
  var left7 = vec4<f32>();
  var right7 = vec4<f32>();
  var left8 = vec4<f32>();
  var right8 = vec4<f32>();
  var left9 = vec4<f32>();
  var right9 = vec4<f32>();
  var left10 = vec4<f32>();
  var right10 = vec4<f32>();
  var left11 = vec4<f32>();
  var right11 = vec4<f32>();
  var left12 = vec4<f32>();
  var right12 = vec4<f32>();
  var left13 = vec4<f32>();
  var right13 = vec4<f32>();
  var left14 = vec4<f32>();
  var right14 = vec4<f32>();
  var left15 = vec4<f32>();
  var right15 = vec4<f32>();
  for (var n = 0u; n < params.depth; n += 4u) {
    let ya = dy[y_low + (n >> 2u)];
    let yb = dy[y_high + (n >> 2u)];
    let w0 = weights(w_column, n + 0u);
    let w1 = weights(w_column, n + 1u);
    let w2 = weights(w_column, n + 2u);
    let w3 = weights(w_column, n + 3u);
    let p0 = subgroupBroadcast(ya, 0u);
    left0 += p0.x * w0.left + p0.y * w1.left + p0.z * w2.left + p0.w * w3.left;
    right0 += p0.x * w0.right + p0.y * w1.right + p0.z * w2.right + p0.w * w3.right;
    let p1 = subgroupBroadcast(ya, 1u);
    left1 += p1.x * w0.left + p1.y * w1.left + p1.z * w2.left + p1.w * w3.left;
    right1 += p1.x * w0.right + p1.y * w1.right + p1.z * w2.right + p1.w * w3.right;
    let p2 = subgroupBroadcast(ya, 2u);
    left2 += p2.x * w0.left + p2.y * w1.left + p2.z * w2.left + p2.w * w3.left;
    right2 += p2.x * w0.right + p2.y * w1.right + p2.z * w2.right + p2.w * w3.right;
    let p3 = subgroupBroadcast(ya, 3u);
    left3 += p3.x * w0.left + p3.y * w1.left + p3.z * w2.left + p3.w * w3.left;
    right3 += p3.x * w0.right + p3.y * w1.right + p3.z * w2.right + p3.w * w3.right;
    let p4 = subgroupBroadcast(ya, 4u);
    left4 += p4.x * w0.left + p4.y * w1.left + p4.z * w2.left + p4.w * w3.left;
    right4 += p4.x * w0.right + p4.y * w1.right + p4.z * w2.right + p4.w * w3.right;
    let p5 = subgroupBroadcast(ya, 5u);
    left5 += p5.x * w0.left + p5.y * w1.left + p5.z * w2.left + p5.w * w3.left;
    right5 += p5.x * w0.right + p5.y * w1.right + p5.z * w2.right + p5.w * w3.right;
    let p6 = subgroupBroadcast(ya, 6u);
    left6 += p6.x * w0.left + p6.y * w1.left + p6.z * w2.left + p6.w * w3.left;
    right6 += p6.x * w0.right + p6.y * w1.right + p6.z * w2.right + p6.w * w3.right;
    let p7 = subgroupBroadcast(ya, 7u);
    left7 += p7.x * w0.left + p7.y * w1.left + p7.z * w2.left + p7.w * w3.left;
    right7 += p7.x * w0.right + p7.y * w1.right + p7.z * w2.right + p7.w * w3.right;
    let p8 = subgroupBroadcast(yb, 0u);
    left8 += p8.x * w0.left + p8.y * w1.left + p8.z * w2.left + p8.w * w3.left;
    right8 += p8.x * w0.right + p8.y * w1.right + p8.z * w2.right + p8.w * w3.right;
    let p9 = subgroupBroadcast(yb, 1u);
    left9 += p9.x * w0.left + p9.y * w1.left + p9.z * w2.left + p9.w * w3.left;
    right9 += p9.x * w0.right + p9.y * w1.right + p9.z * w2.right + p9.w * w3.right;
    let p10 = subgroupBroadcast(yb, 2u);
    left10 += p10.x * w0.left + p10.y * w1.left + p10.z * w2.left + p10.w * w3.left;
    right10 += p10.x * w0.right + p10.y * w1.right + p10.z * w2.right + p10.w * w3.right;
    let p11 = subgroupBroadcast(yb, 3u);
    left11 += p11.x * w0.left + p11.y * w1.left + p11.z * w2.left + p11.w * w3.left;
    right11 += p11.x * w0.right + p11.y * w1.right + p11.z * w2.right + p11.w * w3.right;
    let p12 = subgroupBroadcast(yb, 4u);
    left12 += p12.x * w0.left + p12.y * w1.left + p12.z * w2.left + p12.w * w3.left;
    right12 += p12.x * w0.right + p12.y * w1.right + p12.z * w2.right + p12.w * w3.right;
    let p13 = subgroupBroadcast(yb, 5u);
    left13 += p13.x * w0.left + p13.y * w1.left + p13.z * w2.left + p13.w * w3.left;
    right13 += p13.x * w0.right + p13.y * w1.right + p13.z * w2.right + p13.w * w3.right;
    let p14 = subgroupBroadcast(yb, 6u);
    left14 += p14.x * w0.left + p14.y * w1.left + p14.z * w2.left + p14.w * w3.left;
    right14 += p14.x * w0.right + p14.y * w1.right + p14.z * w2.right + p14.w * w3.right;
    let p15 = subgroupBroadcast(yb, 7u);
    left15 += p15.x * w0.left + p15.y * w1.left + p15.z * w2.left + p15.w * w3.left;
    right15 += p15.x * w0.right + p15.y * w1.right + p15.z * w2.right + p15.w * w3.right;
  }
  store(row + 0u, column, left0, right0);
  store(row + 1u, column, left1, right1);
  store(row + 2u, column, left2, right2);
  store(row + 3u, column, left3, right3);
  store(row + 4u, column, left4, right4);
  store(row + 5u, column, left5, right5);
  store(row + 6u, column, left6, right6);
  store(row + 7u, column, left7, right7);
  store(row + 8u, column, left8, right8);
  store(row + 9u, column, left9, right9);
  store(row + 10u, column, left10, right10);
  store(row + 11u, column, left11, right11);
  store(row + 12u, column, left12, right12);
  store(row + 13u, column, left13, right13);
  store(row + 14u, column, left14, right14);
  store(row + 15u, column, left15, right15);
}
