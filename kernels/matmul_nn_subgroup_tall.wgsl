// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. The register tile of matmul_nn_subgroup
// for many rows: eight lanes own 32 rows x 64 columns, so that a weight is loaded half as often. The sums are added in
// the same order as there, so both give the same bits. Needs subgroups of at least eight lanes.
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
  let row = group.y * 32u;
  let column = group.x * 64u + lane * 8u;
  let last_row = params.rows - 1u;
  let y_stride = params.y_stride >> 2u;
  let y_column = params.y_column >> 2u;
  let y_a = (params.y_row + min(row + lane, last_row)) * y_stride + y_column;
  let y_b = (params.y_row + min(row + lane + 8u, last_row)) * y_stride + y_column;
  let y_c = (params.y_row + min(row + lane + 16u, last_row)) * y_stride + y_column;
  let y_d = (params.y_row + min(row + lane + 24u, last_row)) * y_stride + y_column;
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
  var left16 = vec4<f32>();
  var right16 = vec4<f32>();
  var left17 = vec4<f32>();
  var right17 = vec4<f32>();
  var left18 = vec4<f32>();
  var right18 = vec4<f32>();
  var left19 = vec4<f32>();
  var right19 = vec4<f32>();
  var left20 = vec4<f32>();
  var right20 = vec4<f32>();
  var left21 = vec4<f32>();
  var right21 = vec4<f32>();
  var left22 = vec4<f32>();
  var right22 = vec4<f32>();
  var left23 = vec4<f32>();
  var right23 = vec4<f32>();
  var left24 = vec4<f32>();
  var right24 = vec4<f32>();
  var left25 = vec4<f32>();
  var right25 = vec4<f32>();
  var left26 = vec4<f32>();
  var right26 = vec4<f32>();
  var left27 = vec4<f32>();
  var right27 = vec4<f32>();
  var left28 = vec4<f32>();
  var right28 = vec4<f32>();
  var left29 = vec4<f32>();
  var right29 = vec4<f32>();
  var left30 = vec4<f32>();
  var right30 = vec4<f32>();
  var left31 = vec4<f32>();
  var right31 = vec4<f32>();
  for (var n = 0u; n < params.depth; n += 8u) {
    let a0 = dy[y_a + (n >> 2u)];
    let a1 = dy[y_a + (n >> 2u) + 1u];
    let b0 = dy[y_b + (n >> 2u)];
    let b1 = dy[y_b + (n >> 2u) + 1u];
    let c0 = dy[y_c + (n >> 2u)];
    let c1 = dy[y_c + (n >> 2u) + 1u];
    let d0 = dy[y_d + (n >> 2u)];
    let d1 = dy[y_d + (n >> 2u) + 1u];
    let w0 = weights(w_column, n + 0u);
    let w1 = weights(w_column, n + 1u);
    let w2 = weights(w_column, n + 2u);
    let w3 = weights(w_column, n + 3u);
    let w4 = weights(w_column, n + 4u);
    let w5 = weights(w_column, n + 5u);
    let w6 = weights(w_column, n + 6u);
    let w7 = weights(w_column, n + 7u);
    let p0_0 = subgroupBroadcast(a0, 0u);
    left0 += p0_0.x * w0.left + p0_0.y * w1.left + p0_0.z * w2.left + p0_0.w * w3.left;
    right0 += p0_0.x * w0.right + p0_0.y * w1.right + p0_0.z * w2.right + p0_0.w * w3.right;
    let p0_1 = subgroupBroadcast(a1, 0u);
    left0 += p0_1.x * w4.left + p0_1.y * w5.left + p0_1.z * w6.left + p0_1.w * w7.left;
    right0 += p0_1.x * w4.right + p0_1.y * w5.right + p0_1.z * w6.right + p0_1.w * w7.right;
    let p1_0 = subgroupBroadcast(a0, 1u);
    left1 += p1_0.x * w0.left + p1_0.y * w1.left + p1_0.z * w2.left + p1_0.w * w3.left;
    right1 += p1_0.x * w0.right + p1_0.y * w1.right + p1_0.z * w2.right + p1_0.w * w3.right;
    let p1_1 = subgroupBroadcast(a1, 1u);
    left1 += p1_1.x * w4.left + p1_1.y * w5.left + p1_1.z * w6.left + p1_1.w * w7.left;
    right1 += p1_1.x * w4.right + p1_1.y * w5.right + p1_1.z * w6.right + p1_1.w * w7.right;
    let p2_0 = subgroupBroadcast(a0, 2u);
    left2 += p2_0.x * w0.left + p2_0.y * w1.left + p2_0.z * w2.left + p2_0.w * w3.left;
    right2 += p2_0.x * w0.right + p2_0.y * w1.right + p2_0.z * w2.right + p2_0.w * w3.right;
    let p2_1 = subgroupBroadcast(a1, 2u);
    left2 += p2_1.x * w4.left + p2_1.y * w5.left + p2_1.z * w6.left + p2_1.w * w7.left;
    right2 += p2_1.x * w4.right + p2_1.y * w5.right + p2_1.z * w6.right + p2_1.w * w7.right;
    let p3_0 = subgroupBroadcast(a0, 3u);
    left3 += p3_0.x * w0.left + p3_0.y * w1.left + p3_0.z * w2.left + p3_0.w * w3.left;
    right3 += p3_0.x * w0.right + p3_0.y * w1.right + p3_0.z * w2.right + p3_0.w * w3.right;
    let p3_1 = subgroupBroadcast(a1, 3u);
    left3 += p3_1.x * w4.left + p3_1.y * w5.left + p3_1.z * w6.left + p3_1.w * w7.left;
    right3 += p3_1.x * w4.right + p3_1.y * w5.right + p3_1.z * w6.right + p3_1.w * w7.right;
    let p4_0 = subgroupBroadcast(a0, 4u);
    left4 += p4_0.x * w0.left + p4_0.y * w1.left + p4_0.z * w2.left + p4_0.w * w3.left;
    right4 += p4_0.x * w0.right + p4_0.y * w1.right + p4_0.z * w2.right + p4_0.w * w3.right;
    let p4_1 = subgroupBroadcast(a1, 4u);
    left4 += p4_1.x * w4.left + p4_1.y * w5.left + p4_1.z * w6.left + p4_1.w * w7.left;
    right4 += p4_1.x * w4.right + p4_1.y * w5.right + p4_1.z * w6.right + p4_1.w * w7.right;
    let p5_0 = subgroupBroadcast(a0, 5u);
    left5 += p5_0.x * w0.left + p5_0.y * w1.left + p5_0.z * w2.left + p5_0.w * w3.left;
    right5 += p5_0.x * w0.right + p5_0.y * w1.right + p5_0.z * w2.right + p5_0.w * w3.right;
    let p5_1 = subgroupBroadcast(a1, 5u);
    left5 += p5_1.x * w4.left + p5_1.y * w5.left + p5_1.z * w6.left + p5_1.w * w7.left;
    right5 += p5_1.x * w4.right + p5_1.y * w5.right + p5_1.z * w6.right + p5_1.w * w7.right;
    let p6_0 = subgroupBroadcast(a0, 6u);
    left6 += p6_0.x * w0.left + p6_0.y * w1.left + p6_0.z * w2.left + p6_0.w * w3.left;
    right6 += p6_0.x * w0.right + p6_0.y * w1.right + p6_0.z * w2.right + p6_0.w * w3.right;
    let p6_1 = subgroupBroadcast(a1, 6u);
    left6 += p6_1.x * w4.left + p6_1.y * w5.left + p6_1.z * w6.left + p6_1.w * w7.left;
    right6 += p6_1.x * w4.right + p6_1.y * w5.right + p6_1.z * w6.right + p6_1.w * w7.right;
    let p7_0 = subgroupBroadcast(a0, 7u);
    left7 += p7_0.x * w0.left + p7_0.y * w1.left + p7_0.z * w2.left + p7_0.w * w3.left;
    right7 += p7_0.x * w0.right + p7_0.y * w1.right + p7_0.z * w2.right + p7_0.w * w3.right;
    let p7_1 = subgroupBroadcast(a1, 7u);
    left7 += p7_1.x * w4.left + p7_1.y * w5.left + p7_1.z * w6.left + p7_1.w * w7.left;
    right7 += p7_1.x * w4.right + p7_1.y * w5.right + p7_1.z * w6.right + p7_1.w * w7.right;
    let p8_0 = subgroupBroadcast(b0, 0u);
    left8 += p8_0.x * w0.left + p8_0.y * w1.left + p8_0.z * w2.left + p8_0.w * w3.left;
    right8 += p8_0.x * w0.right + p8_0.y * w1.right + p8_0.z * w2.right + p8_0.w * w3.right;
    let p8_1 = subgroupBroadcast(b1, 0u);
    left8 += p8_1.x * w4.left + p8_1.y * w5.left + p8_1.z * w6.left + p8_1.w * w7.left;
    right8 += p8_1.x * w4.right + p8_1.y * w5.right + p8_1.z * w6.right + p8_1.w * w7.right;
    let p9_0 = subgroupBroadcast(b0, 1u);
    left9 += p9_0.x * w0.left + p9_0.y * w1.left + p9_0.z * w2.left + p9_0.w * w3.left;
    right9 += p9_0.x * w0.right + p9_0.y * w1.right + p9_0.z * w2.right + p9_0.w * w3.right;
    let p9_1 = subgroupBroadcast(b1, 1u);
    left9 += p9_1.x * w4.left + p9_1.y * w5.left + p9_1.z * w6.left + p9_1.w * w7.left;
    right9 += p9_1.x * w4.right + p9_1.y * w5.right + p9_1.z * w6.right + p9_1.w * w7.right;
    let p10_0 = subgroupBroadcast(b0, 2u);
    left10 += p10_0.x * w0.left + p10_0.y * w1.left + p10_0.z * w2.left + p10_0.w * w3.left;
    right10 += p10_0.x * w0.right + p10_0.y * w1.right + p10_0.z * w2.right + p10_0.w * w3.right;
    let p10_1 = subgroupBroadcast(b1, 2u);
    left10 += p10_1.x * w4.left + p10_1.y * w5.left + p10_1.z * w6.left + p10_1.w * w7.left;
    right10 += p10_1.x * w4.right + p10_1.y * w5.right + p10_1.z * w6.right + p10_1.w * w7.right;
    let p11_0 = subgroupBroadcast(b0, 3u);
    left11 += p11_0.x * w0.left + p11_0.y * w1.left + p11_0.z * w2.left + p11_0.w * w3.left;
    right11 += p11_0.x * w0.right + p11_0.y * w1.right + p11_0.z * w2.right + p11_0.w * w3.right;
    let p11_1 = subgroupBroadcast(b1, 3u);
    left11 += p11_1.x * w4.left + p11_1.y * w5.left + p11_1.z * w6.left + p11_1.w * w7.left;
    right11 += p11_1.x * w4.right + p11_1.y * w5.right + p11_1.z * w6.right + p11_1.w * w7.right;
    let p12_0 = subgroupBroadcast(b0, 4u);
    left12 += p12_0.x * w0.left + p12_0.y * w1.left + p12_0.z * w2.left + p12_0.w * w3.left;
    right12 += p12_0.x * w0.right + p12_0.y * w1.right + p12_0.z * w2.right + p12_0.w * w3.right;
    let p12_1 = subgroupBroadcast(b1, 4u);
    left12 += p12_1.x * w4.left + p12_1.y * w5.left + p12_1.z * w6.left + p12_1.w * w7.left;
    right12 += p12_1.x * w4.right + p12_1.y * w5.right + p12_1.z * w6.right + p12_1.w * w7.right;
    let p13_0 = subgroupBroadcast(b0, 5u);
    left13 += p13_0.x * w0.left + p13_0.y * w1.left + p13_0.z * w2.left + p13_0.w * w3.left;
    right13 += p13_0.x * w0.right + p13_0.y * w1.right + p13_0.z * w2.right + p13_0.w * w3.right;
    let p13_1 = subgroupBroadcast(b1, 5u);
    left13 += p13_1.x * w4.left + p13_1.y * w5.left + p13_1.z * w6.left + p13_1.w * w7.left;
    right13 += p13_1.x * w4.right + p13_1.y * w5.right + p13_1.z * w6.right + p13_1.w * w7.right;
    let p14_0 = subgroupBroadcast(b0, 6u);
    left14 += p14_0.x * w0.left + p14_0.y * w1.left + p14_0.z * w2.left + p14_0.w * w3.left;
    right14 += p14_0.x * w0.right + p14_0.y * w1.right + p14_0.z * w2.right + p14_0.w * w3.right;
    let p14_1 = subgroupBroadcast(b1, 6u);
    left14 += p14_1.x * w4.left + p14_1.y * w5.left + p14_1.z * w6.left + p14_1.w * w7.left;
    right14 += p14_1.x * w4.right + p14_1.y * w5.right + p14_1.z * w6.right + p14_1.w * w7.right;
    let p15_0 = subgroupBroadcast(b0, 7u);
    left15 += p15_0.x * w0.left + p15_0.y * w1.left + p15_0.z * w2.left + p15_0.w * w3.left;
    right15 += p15_0.x * w0.right + p15_0.y * w1.right + p15_0.z * w2.right + p15_0.w * w3.right;
    let p15_1 = subgroupBroadcast(b1, 7u);
    left15 += p15_1.x * w4.left + p15_1.y * w5.left + p15_1.z * w6.left + p15_1.w * w7.left;
    right15 += p15_1.x * w4.right + p15_1.y * w5.right + p15_1.z * w6.right + p15_1.w * w7.right;
    let p16_0 = subgroupBroadcast(c0, 0u);
    left16 += p16_0.x * w0.left + p16_0.y * w1.left + p16_0.z * w2.left + p16_0.w * w3.left;
    right16 += p16_0.x * w0.right + p16_0.y * w1.right + p16_0.z * w2.right + p16_0.w * w3.right;
    let p16_1 = subgroupBroadcast(c1, 0u);
    left16 += p16_1.x * w4.left + p16_1.y * w5.left + p16_1.z * w6.left + p16_1.w * w7.left;
    right16 += p16_1.x * w4.right + p16_1.y * w5.right + p16_1.z * w6.right + p16_1.w * w7.right;
    let p17_0 = subgroupBroadcast(c0, 1u);
    left17 += p17_0.x * w0.left + p17_0.y * w1.left + p17_0.z * w2.left + p17_0.w * w3.left;
    right17 += p17_0.x * w0.right + p17_0.y * w1.right + p17_0.z * w2.right + p17_0.w * w3.right;
    let p17_1 = subgroupBroadcast(c1, 1u);
    left17 += p17_1.x * w4.left + p17_1.y * w5.left + p17_1.z * w6.left + p17_1.w * w7.left;
    right17 += p17_1.x * w4.right + p17_1.y * w5.right + p17_1.z * w6.right + p17_1.w * w7.right;
    let p18_0 = subgroupBroadcast(c0, 2u);
    left18 += p18_0.x * w0.left + p18_0.y * w1.left + p18_0.z * w2.left + p18_0.w * w3.left;
    right18 += p18_0.x * w0.right + p18_0.y * w1.right + p18_0.z * w2.right + p18_0.w * w3.right;
    let p18_1 = subgroupBroadcast(c1, 2u);
    left18 += p18_1.x * w4.left + p18_1.y * w5.left + p18_1.z * w6.left + p18_1.w * w7.left;
    right18 += p18_1.x * w4.right + p18_1.y * w5.right + p18_1.z * w6.right + p18_1.w * w7.right;
    let p19_0 = subgroupBroadcast(c0, 3u);
    left19 += p19_0.x * w0.left + p19_0.y * w1.left + p19_0.z * w2.left + p19_0.w * w3.left;
    right19 += p19_0.x * w0.right + p19_0.y * w1.right + p19_0.z * w2.right + p19_0.w * w3.right;
    let p19_1 = subgroupBroadcast(c1, 3u);
    left19 += p19_1.x * w4.left + p19_1.y * w5.left + p19_1.z * w6.left + p19_1.w * w7.left;
    right19 += p19_1.x * w4.right + p19_1.y * w5.right + p19_1.z * w6.right + p19_1.w * w7.right;
    let p20_0 = subgroupBroadcast(c0, 4u);
    left20 += p20_0.x * w0.left + p20_0.y * w1.left + p20_0.z * w2.left + p20_0.w * w3.left;
    right20 += p20_0.x * w0.right + p20_0.y * w1.right + p20_0.z * w2.right + p20_0.w * w3.right;
    let p20_1 = subgroupBroadcast(c1, 4u);
    left20 += p20_1.x * w4.left + p20_1.y * w5.left + p20_1.z * w6.left + p20_1.w * w7.left;
    right20 += p20_1.x * w4.right + p20_1.y * w5.right + p20_1.z * w6.right + p20_1.w * w7.right;
    let p21_0 = subgroupBroadcast(c0, 5u);
    left21 += p21_0.x * w0.left + p21_0.y * w1.left + p21_0.z * w2.left + p21_0.w * w3.left;
    right21 += p21_0.x * w0.right + p21_0.y * w1.right + p21_0.z * w2.right + p21_0.w * w3.right;
    let p21_1 = subgroupBroadcast(c1, 5u);
    left21 += p21_1.x * w4.left + p21_1.y * w5.left + p21_1.z * w6.left + p21_1.w * w7.left;
    right21 += p21_1.x * w4.right + p21_1.y * w5.right + p21_1.z * w6.right + p21_1.w * w7.right;
    let p22_0 = subgroupBroadcast(c0, 6u);
    left22 += p22_0.x * w0.left + p22_0.y * w1.left + p22_0.z * w2.left + p22_0.w * w3.left;
    right22 += p22_0.x * w0.right + p22_0.y * w1.right + p22_0.z * w2.right + p22_0.w * w3.right;
    let p22_1 = subgroupBroadcast(c1, 6u);
    left22 += p22_1.x * w4.left + p22_1.y * w5.left + p22_1.z * w6.left + p22_1.w * w7.left;
    right22 += p22_1.x * w4.right + p22_1.y * w5.right + p22_1.z * w6.right + p22_1.w * w7.right;
    let p23_0 = subgroupBroadcast(c0, 7u);
    left23 += p23_0.x * w0.left + p23_0.y * w1.left + p23_0.z * w2.left + p23_0.w * w3.left;
    right23 += p23_0.x * w0.right + p23_0.y * w1.right + p23_0.z * w2.right + p23_0.w * w3.right;
    let p23_1 = subgroupBroadcast(c1, 7u);
    left23 += p23_1.x * w4.left + p23_1.y * w5.left + p23_1.z * w6.left + p23_1.w * w7.left;
    right23 += p23_1.x * w4.right + p23_1.y * w5.right + p23_1.z * w6.right + p23_1.w * w7.right;
    let p24_0 = subgroupBroadcast(d0, 0u);
    left24 += p24_0.x * w0.left + p24_0.y * w1.left + p24_0.z * w2.left + p24_0.w * w3.left;
    right24 += p24_0.x * w0.right + p24_0.y * w1.right + p24_0.z * w2.right + p24_0.w * w3.right;
    let p24_1 = subgroupBroadcast(d1, 0u);
    left24 += p24_1.x * w4.left + p24_1.y * w5.left + p24_1.z * w6.left + p24_1.w * w7.left;
    right24 += p24_1.x * w4.right + p24_1.y * w5.right + p24_1.z * w6.right + p24_1.w * w7.right;
    let p25_0 = subgroupBroadcast(d0, 1u);
    left25 += p25_0.x * w0.left + p25_0.y * w1.left + p25_0.z * w2.left + p25_0.w * w3.left;
    right25 += p25_0.x * w0.right + p25_0.y * w1.right + p25_0.z * w2.right + p25_0.w * w3.right;
    let p25_1 = subgroupBroadcast(d1, 1u);
    left25 += p25_1.x * w4.left + p25_1.y * w5.left + p25_1.z * w6.left + p25_1.w * w7.left;
    right25 += p25_1.x * w4.right + p25_1.y * w5.right + p25_1.z * w6.right + p25_1.w * w7.right;
    let p26_0 = subgroupBroadcast(d0, 2u);
    left26 += p26_0.x * w0.left + p26_0.y * w1.left + p26_0.z * w2.left + p26_0.w * w3.left;
    right26 += p26_0.x * w0.right + p26_0.y * w1.right + p26_0.z * w2.right + p26_0.w * w3.right;
    let p26_1 = subgroupBroadcast(d1, 2u);
    left26 += p26_1.x * w4.left + p26_1.y * w5.left + p26_1.z * w6.left + p26_1.w * w7.left;
    right26 += p26_1.x * w4.right + p26_1.y * w5.right + p26_1.z * w6.right + p26_1.w * w7.right;
    let p27_0 = subgroupBroadcast(d0, 3u);
    left27 += p27_0.x * w0.left + p27_0.y * w1.left + p27_0.z * w2.left + p27_0.w * w3.left;
    right27 += p27_0.x * w0.right + p27_0.y * w1.right + p27_0.z * w2.right + p27_0.w * w3.right;
    let p27_1 = subgroupBroadcast(d1, 3u);
    left27 += p27_1.x * w4.left + p27_1.y * w5.left + p27_1.z * w6.left + p27_1.w * w7.left;
    right27 += p27_1.x * w4.right + p27_1.y * w5.right + p27_1.z * w6.right + p27_1.w * w7.right;
    let p28_0 = subgroupBroadcast(d0, 4u);
    left28 += p28_0.x * w0.left + p28_0.y * w1.left + p28_0.z * w2.left + p28_0.w * w3.left;
    right28 += p28_0.x * w0.right + p28_0.y * w1.right + p28_0.z * w2.right + p28_0.w * w3.right;
    let p28_1 = subgroupBroadcast(d1, 4u);
    left28 += p28_1.x * w4.left + p28_1.y * w5.left + p28_1.z * w6.left + p28_1.w * w7.left;
    right28 += p28_1.x * w4.right + p28_1.y * w5.right + p28_1.z * w6.right + p28_1.w * w7.right;
    let p29_0 = subgroupBroadcast(d0, 5u);
    left29 += p29_0.x * w0.left + p29_0.y * w1.left + p29_0.z * w2.left + p29_0.w * w3.left;
    right29 += p29_0.x * w0.right + p29_0.y * w1.right + p29_0.z * w2.right + p29_0.w * w3.right;
    let p29_1 = subgroupBroadcast(d1, 5u);
    left29 += p29_1.x * w4.left + p29_1.y * w5.left + p29_1.z * w6.left + p29_1.w * w7.left;
    right29 += p29_1.x * w4.right + p29_1.y * w5.right + p29_1.z * w6.right + p29_1.w * w7.right;
    let p30_0 = subgroupBroadcast(d0, 6u);
    left30 += p30_0.x * w0.left + p30_0.y * w1.left + p30_0.z * w2.left + p30_0.w * w3.left;
    right30 += p30_0.x * w0.right + p30_0.y * w1.right + p30_0.z * w2.right + p30_0.w * w3.right;
    let p30_1 = subgroupBroadcast(d1, 6u);
    left30 += p30_1.x * w4.left + p30_1.y * w5.left + p30_1.z * w6.left + p30_1.w * w7.left;
    right30 += p30_1.x * w4.right + p30_1.y * w5.right + p30_1.z * w6.right + p30_1.w * w7.right;
    let p31_0 = subgroupBroadcast(d0, 7u);
    left31 += p31_0.x * w0.left + p31_0.y * w1.left + p31_0.z * w2.left + p31_0.w * w3.left;
    right31 += p31_0.x * w0.right + p31_0.y * w1.right + p31_0.z * w2.right + p31_0.w * w3.right;
    let p31_1 = subgroupBroadcast(d1, 7u);
    left31 += p31_1.x * w4.left + p31_1.y * w5.left + p31_1.z * w6.left + p31_1.w * w7.left;
    right31 += p31_1.x * w4.right + p31_1.y * w5.right + p31_1.z * w6.right + p31_1.w * w7.right;
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
  store(row + 16u, column, left16, right16);
  store(row + 17u, column, left17, right17);
  store(row + 18u, column, left18, right18);
  store(row + 19u, column, left19, right19);
  store(row + 20u, column, left20, right20);
  store(row + 21u, column, left21, right21);
  store(row + 22u, column, left22, right22);
  store(row + 23u, column, left23, right23);
  store(row + 24u, column, left24, right24);
  store(row + 25u, column, left25, right25);
  store(row + 26u, column, left26, right26);
  store(row + 27u, column, left27, right27);
  store(row + 28u, column, left28, right28);
  store(row + 29u, column, left29, right29);
  store(row + 30u, column, left30, right30);
  store(row + 31u, column, left31, right31);
}
