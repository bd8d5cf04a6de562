// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. The register tile of matmul_nt_subgroup for many rows: eight lanes own 32
// rows x 64 columns, so that a weight is loaded half as often; each lane keeps 32 x 8 sums and takes eight steps of K
// at a time. The sums are added in the same order as there, so both give the same bits. Needs subgroups of at least
// eight lanes.
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
@group(0) @binding(2) var w: texture_2d<u32>; // [N][K], four f32 or eight half-precision weights a texel
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

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

// Eight neighbouring weights of one row; `at` counts groups of eight.
struct Weights {
  first: vec4<f32>,
  last: vec4<f32>,
}

fn weights(at: u32, row: u32) -> Weights {
  if (WEIGHT_TYPE == 0u) {
    return Weights(
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * at, row), 0)),
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * at + 1u, row), 0)),
    );
  }
  let bits = textureLoad(w, vec2(at, row), 0);
  return Weights(low(bits), high(bits));
}

fn store(row: u32, column: u32, left: vec4<f32>, right: vec4<f32>) {
  if (row < params.rows && column < params.columns) {
    let at = ((params.y_row + row) * params.y_stride + params.y_column + column) >> 2u;
    if (params.accumulate == 1u) {
      y[at] += left;
      y[at + 1u] += right;
    } else {
      y[at] = left;
      y[at + 1u] = right;
    }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 32u;
  let column = group.x * 64u + lane * 8u;
  let last_row = params.rows - 1u;
  let x_stride = params.x_stride >> 2u;
  let x_a = (params.x_row + min(row + lane, last_row)) * x_stride;
  let x_b = (params.x_row + min(row + lane + 8u, last_row)) * x_stride;
  let x_c = (params.x_row + min(row + lane + 16u, last_row)) * x_stride;
  let x_d = (params.x_row + min(row + lane + 24u, last_row)) * x_stride;
  let w_row = min(column, params.columns - 8u);
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
  for (var k = 0u; k < (params.depth >> 3u); k += 1u) {
    let a0 = x[x_a + 2u * k];
    let a1 = x[x_a + 2u * k + 1u];
    let b0 = x[x_b + 2u * k];
    let b1 = x[x_b + 2u * k + 1u];
    let c0 = x[x_c + 2u * k];
    let c1 = x[x_c + 2u * k + 1u];
    let d0 = x[x_d + 2u * k];
    let d1 = x[x_d + 2u * k + 1u];
    let w0 = weights(k, w_row + 0u);
    let w1 = weights(k, w_row + 1u);
    let w2 = weights(k, w_row + 2u);
    let w3 = weights(k, w_row + 3u);
    let w4 = weights(k, w_row + 4u);
    let w5 = weights(k, w_row + 5u);
    let w6 = weights(k, w_row + 6u);
    let w7 = weights(k, w_row + 7u);
    let l00 = vec4(w0.first.x, w1.first.x, w2.first.x, w3.first.x);
    let r00 = vec4(w4.first.x, w5.first.x, w6.first.x, w7.first.x);
    let l01 = vec4(w0.first.y, w1.first.y, w2.first.y, w3.first.y);
    let r01 = vec4(w4.first.y, w5.first.y, w6.first.y, w7.first.y);
    let l02 = vec4(w0.first.z, w1.first.z, w2.first.z, w3.first.z);
    let r02 = vec4(w4.first.z, w5.first.z, w6.first.z, w7.first.z);
    let l03 = vec4(w0.first.w, w1.first.w, w2.first.w, w3.first.w);
    let r03 = vec4(w4.first.w, w5.first.w, w6.first.w, w7.first.w);
    let l10 = vec4(w0.last.x, w1.last.x, w2.last.x, w3.last.x);
    let r10 = vec4(w4.last.x, w5.last.x, w6.last.x, w7.last.x);
    let l11 = vec4(w0.last.y, w1.last.y, w2.last.y, w3.last.y);
    let r11 = vec4(w4.last.y, w5.last.y, w6.last.y, w7.last.y);
    let l12 = vec4(w0.last.z, w1.last.z, w2.last.z, w3.last.z);
    let r12 = vec4(w4.last.z, w5.last.z, w6.last.z, w7.last.z);
    let l13 = vec4(w0.last.w, w1.last.w, w2.last.w, w3.last.w);
    let r13 = vec4(w4.last.w, w5.last.w, w6.last.w, w7.last.w);
    let p0_0 = subgroupBroadcast(a0, 0u);
    left0 += p0_0.x * l00 + p0_0.y * l01 + p0_0.z * l02 + p0_0.w * l03;
    right0 += p0_0.x * r00 + p0_0.y * r01 + p0_0.z * r02 + p0_0.w * r03;
    let p0_1 = subgroupBroadcast(a1, 0u);
    left0 += p0_1.x * l10 + p0_1.y * l11 + p0_1.z * l12 + p0_1.w * l13;
    right0 += p0_1.x * r10 + p0_1.y * r11 + p0_1.z * r12 + p0_1.w * r13;
    let p1_0 = subgroupBroadcast(a0, 1u);
    left1 += p1_0.x * l00 + p1_0.y * l01 + p1_0.z * l02 + p1_0.w * l03;
    right1 += p1_0.x * r00 + p1_0.y * r01 + p1_0.z * r02 + p1_0.w * r03;
    let p1_1 = subgroupBroadcast(a1, 1u);
    left1 += p1_1.x * l10 + p1_1.y * l11 + p1_1.z * l12 + p1_1.w * l13;
    right1 += p1_1.x * r10 + p1_1.y * r11 + p1_1.z * r12 + p1_1.w * r13;
    let p2_0 = subgroupBroadcast(a0, 2u);
    left2 += p2_0.x * l00 + p2_0.y * l01 + p2_0.z * l02 + p2_0.w * l03;
    right2 += p2_0.x * r00 + p2_0.y * r01 + p2_0.z * r02 + p2_0.w * r03;
    let p2_1 = subgroupBroadcast(a1, 2u);
    left2 += p2_1.x * l10 + p2_1.y * l11 + p2_1.z * l12 + p2_1.w * l13;
    right2 += p2_1.x * r10 + p2_1.y * r11 + p2_1.z * r12 + p2_1.w * r13;
    let p3_0 = subgroupBroadcast(a0, 3u);
    left3 += p3_0.x * l00 + p3_0.y * l01 + p3_0.z * l02 + p3_0.w * l03;
    right3 += p3_0.x * r00 + p3_0.y * r01 + p3_0.z * r02 + p3_0.w * r03;
    let p3_1 = subgroupBroadcast(a1, 3u);
    left3 += p3_1.x * l10 + p3_1.y * l11 + p3_1.z * l12 + p3_1.w * l13;
    right3 += p3_1.x * r10 + p3_1.y * r11 + p3_1.z * r12 + p3_1.w * r13;
    let p4_0 = subgroupBroadcast(a0, 4u);
    left4 += p4_0.x * l00 + p4_0.y * l01 + p4_0.z * l02 + p4_0.w * l03;
    right4 += p4_0.x * r00 + p4_0.y * r01 + p4_0.z * r02 + p4_0.w * r03;
    let p4_1 = subgroupBroadcast(a1, 4u);
    left4 += p4_1.x * l10 + p4_1.y * l11 + p4_1.z * l12 + p4_1.w * l13;
    right4 += p4_1.x * r10 + p4_1.y * r11 + p4_1.z * r12 + p4_1.w * r13;
    let p5_0 = subgroupBroadcast(a0, 5u);
    left5 += p5_0.x * l00 + p5_0.y * l01 + p5_0.z * l02 + p5_0.w * l03;
    right5 += p5_0.x * r00 + p5_0.y * r01 + p5_0.z * r02 + p5_0.w * r03;
    let p5_1 = subgroupBroadcast(a1, 5u);
    left5 += p5_1.x * l10 + p5_1.y * l11 + p5_1.z * l12 + p5_1.w * l13;
    right5 += p5_1.x * r10 + p5_1.y * r11 + p5_1.z * r12 + p5_1.w * r13;
    let p6_0 = subgroupBroadcast(a0, 6u);
    left6 += p6_0.x * l00 + p6_0.y * l01 + p6_0.z * l02 + p6_0.w * l03;
    right6 += p6_0.x * r00 + p6_0.y * r01 + p6_0.z * r02 + p6_0.w * r03;
    let p6_1 = subgroupBroadcast(a1, 6u);
    left6 += p6_1.x * l10 + p6_1.y * l11 + p6_1.z * l12 + p6_1.w * l13;
    right6 += p6_1.x * r10 + p6_1.y * r11 + p6_1.z * r12 + p6_1.w * r13;
    let p7_0 = subgroupBroadcast(a0, 7u);
    left7 += p7_0.x * l00 + p7_0.y * l01 + p7_0.z * l02 + p7_0.w * l03;
    right7 += p7_0.x * r00 + p7_0.y * r01 + p7_0.z * r02 + p7_0.w * r03;
    let p7_1 = subgroupBroadcast(a1, 7u);
    left7 += p7_1.x * l10 + p7_1.y * l11 + p7_1.z * l12 + p7_1.w * l13;
    right7 += p7_1.x * r10 + p7_1.y * r11 + p7_1.z * r12 + p7_1.w * r13;
    let p8_0 = subgroupBroadcast(b0, 0u);
    left8 += p8_0.x * l00 + p8_0.y * l01 + p8_0.z * l02 + p8_0.w * l03;
    right8 += p8_0.x * r00 + p8_0.y * r01 + p8_0.z * r02 + p8_0.w * r03;
    let p8_1 = subgroupBroadcast(b1, 0u);
    left8 += p8_1.x * l10 + p8_1.y * l11 + p8_1.z * l12 + p8_1.w * l13;
    right8 += p8_1.x * r10 + p8_1.y * r11 + p8_1.z * r12 + p8_1.w * r13;
    let p9_0 = subgroupBroadcast(b0, 1u);
    left9 += p9_0.x * l00 + p9_0.y * l01 + p9_0.z * l02 + p9_0.w * l03;
    right9 += p9_0.x * r00 + p9_0.y * r01 + p9_0.z * r02 + p9_0.w * r03;
    let p9_1 = subgroupBroadcast(b1, 1u);
    left9 += p9_1.x * l10 + p9_1.y * l11 + p9_1.z * l12 + p9_1.w * l13;
    right9 += p9_1.x * r10 + p9_1.y * r11 + p9_1.z * r12 + p9_1.w * r13;
    let p10_0 = subgroupBroadcast(b0, 2u);
    left10 += p10_0.x * l00 + p10_0.y * l01 + p10_0.z * l02 + p10_0.w * l03;
    right10 += p10_0.x * r00 + p10_0.y * r01 + p10_0.z * r02 + p10_0.w * r03;
    let p10_1 = subgroupBroadcast(b1, 2u);
    left10 += p10_1.x * l10 + p10_1.y * l11 + p10_1.z * l12 + p10_1.w * l13;
    right10 += p10_1.x * r10 + p10_1.y * r11 + p10_1.z * r12 + p10_1.w * r13;
    let p11_0 = subgroupBroadcast(b0, 3u);
    left11 += p11_0.x * l00 + p11_0.y * l01 + p11_0.z * l02 + p11_0.w * l03;
    right11 += p11_0.x * r00 + p11_0.y * r01 + p11_0.z * r02 + p11_0.w * r03;
    let p11_1 = subgroupBroadcast(b1, 3u);
    left11 += p11_1.x * l10 + p11_1.y * l11 + p11_1.z * l12 + p11_1.w * l13;
    right11 += p11_1.x * r10 + p11_1.y * r11 + p11_1.z * r12 + p11_1.w * r13;
    let p12_0 = subgroupBroadcast(b0, 4u);
    left12 += p12_0.x * l00 + p12_0.y * l01 + p12_0.z * l02 + p12_0.w * l03;
    right12 += p12_0.x * r00 + p12_0.y * r01 + p12_0.z * r02 + p12_0.w * r03;
    let p12_1 = subgroupBroadcast(b1, 4u);
    left12 += p12_1.x * l10 + p12_1.y * l11 + p12_1.z * l12 + p12_1.w * l13;
    right12 += p12_1.x * r10 + p12_1.y * r11 + p12_1.z * r12 + p12_1.w * r13;
    let p13_0 = subgroupBroadcast(b0, 5u);
    left13 += p13_0.x * l00 + p13_0.y * l01 + p13_0.z * l02 + p13_0.w * l03;
    right13 += p13_0.x * r00 + p13_0.y * r01 + p13_0.z * r02 + p13_0.w * r03;
    let p13_1 = subgroupBroadcast(b1, 5u);
    left13 += p13_1.x * l10 + p13_1.y * l11 + p13_1.z * l12 + p13_1.w * l13;
    right13 += p13_1.x * r10 + p13_1.y * r11 + p13_1.z * r12 + p13_1.w * r13;
    let p14_0 = subgroupBroadcast(b0, 6u);
    left14 += p14_0.x * l00 + p14_0.y * l01 + p14_0.z * l02 + p14_0.w * l03;
    right14 += p14_0.x * r00 + p14_0.y * r01 + p14_0.z * r02 + p14_0.w * r03;
    let p14_1 = subgroupBroadcast(b1, 6u);
    left14 += p14_1.x * l10 + p14_1.y * l11 + p14_1.z * l12 + p14_1.w * l13;
    right14 += p14_1.x * r10 + p14_1.y * r11 + p14_1.z * r12 + p14_1.w * r13;
    let p15_0 = subgroupBroadcast(b0, 7u);
    left15 += p15_0.x * l00 + p15_0.y * l01 + p15_0.z * l02 + p15_0.w * l03;
    right15 += p15_0.x * r00 + p15_0.y * r01 + p15_0.z * r02 + p15_0.w * r03;
    let p15_1 = subgroupBroadcast(b1, 7u);
    left15 += p15_1.x * l10 + p15_1.y * l11 + p15_1.z * l12 + p15_1.w * l13;
    right15 += p15_1.x * r10 + p15_1.y * r11 + p15_1.z * r12 + p15_1.w * r13;
    let p16_0 = subgroupBroadcast(c0, 0u);
    left16 += p16_0.x * l00 + p16_0.y * l01 + p16_0.z * l02 + p16_0.w * l03;
    right16 += p16_0.x * r00 + p16_0.y * r01 + p16_0.z * r02 + p16_0.w * r03;
    let p16_1 = subgroupBroadcast(c1, 0u);
    left16 += p16_1.x * l10 + p16_1.y * l11 + p16_1.z * l12 + p16_1.w * l13;
    right16 += p16_1.x * r10 + p16_1.y * r11 + p16_1.z * r12 + p16_1.w * r13;
    let p17_0 = subgroupBroadcast(c0, 1u);
    left17 += p17_0.x * l00 + p17_0.y * l01 + p17_0.z * l02 + p17_0.w * l03;
    right17 += p17_0.x * r00 + p17_0.y * r01 + p17_0.z * r02 + p17_0.w * r03;
    let p17_1 = subgroupBroadcast(c1, 1u);
    left17 += p17_1.x * l10 + p17_1.y * l11 + p17_1.z * l12 + p17_1.w * l13;
    right17 += p17_1.x * r10 + p17_1.y * r11 + p17_1.z * r12 + p17_1.w * r13;
    let p18_0 = subgroupBroadcast(c0, 2u);
    left18 += p18_0.x * l00 + p18_0.y * l01 + p18_0.z * l02 + p18_0.w * l03;
    right18 += p18_0.x * r00 + p18_0.y * r01 + p18_0.z * r02 + p18_0.w * r03;
    let p18_1 = subgroupBroadcast(c1, 2u);
    left18 += p18_1.x * l10 + p18_1.y * l11 + p18_1.z * l12 + p18_1.w * l13;
    right18 += p18_1.x * r10 + p18_1.y * r11 + p18_1.z * r12 + p18_1.w * r13;
    let p19_0 = subgroupBroadcast(c0, 3u);
    left19 += p19_0.x * l00 + p19_0.y * l01 + p19_0.z * l02 + p19_0.w * l03;
    right19 += p19_0.x * r00 + p19_0.y * r01 + p19_0.z * r02 + p19_0.w * r03;
    let p19_1 = subgroupBroadcast(c1, 3u);
    left19 += p19_1.x * l10 + p19_1.y * l11 + p19_1.z * l12 + p19_1.w * l13;
    right19 += p19_1.x * r10 + p19_1.y * r11 + p19_1.z * r12 + p19_1.w * r13;
    let p20_0 = subgroupBroadcast(c0, 4u);
    left20 += p20_0.x * l00 + p20_0.y * l01 + p20_0.z * l02 + p20_0.w * l03;
    right20 += p20_0.x * r00 + p20_0.y * r01 + p20_0.z * r02 + p20_0.w * r03;
    let p20_1 = subgroupBroadcast(c1, 4u);
    left20 += p20_1.x * l10 + p20_1.y * l11 + p20_1.z * l12 + p20_1.w * l13;
    right20 += p20_1.x * r10 + p20_1.y * r11 + p20_1.z * r12 + p20_1.w * r13;
    let p21_0 = subgroupBroadcast(c0, 5u);
    left21 += p21_0.x * l00 + p21_0.y * l01 + p21_0.z * l02 + p21_0.w * l03;
    right21 += p21_0.x * r00 + p21_0.y * r01 + p21_0.z * r02 + p21_0.w * r03;
    let p21_1 = subgroupBroadcast(c1, 5u);
    left21 += p21_1.x * l10 + p21_1.y * l11 + p21_1.z * l12 + p21_1.w * l13;
    right21 += p21_1.x * r10 + p21_1.y * r11 + p21_1.z * r12 + p21_1.w * r13;
    let p22_0 = subgroupBroadcast(c0, 6u);
    left22 += p22_0.x * l00 + p22_0.y * l01 + p22_0.z * l02 + p22_0.w * l03;
    right22 += p22_0.x * r00 + p22_0.y * r01 + p22_0.z * r02 + p22_0.w * r03;
    let p22_1 = subgroupBroadcast(c1, 6u);
    left22 += p22_1.x * l10 + p22_1.y * l11 + p22_1.z * l12 + p22_1.w * l13;
    right22 += p22_1.x * r10 + p22_1.y * r11 + p22_1.z * r12 + p22_1.w * r13;
    let p23_0 = subgroupBroadcast(c0, 7u);
    left23 += p23_0.x * l00 + p23_0.y * l01 + p23_0.z * l02 + p23_0.w * l03;
    right23 += p23_0.x * r00 + p23_0.y * r01 + p23_0.z * r02 + p23_0.w * r03;
    let p23_1 = subgroupBroadcast(c1, 7u);
    left23 += p23_1.x * l10 + p23_1.y * l11 + p23_1.z * l12 + p23_1.w * l13;
    right23 += p23_1.x * r10 + p23_1.y * r11 + p23_1.z * r12 + p23_1.w * r13;
    let p24_0 = subgroupBroadcast(d0, 0u);
    left24 += p24_0.x * l00 + p24_0.y * l01 + p24_0.z * l02 + p24_0.w * l03;
    right24 += p24_0.x * r00 + p24_0.y * r01 + p24_0.z * r02 + p24_0.w * r03;
    let p24_1 = subgroupBroadcast(d1, 0u);
    left24 += p24_1.x * l10 + p24_1.y * l11 + p24_1.z * l12 + p24_1.w * l13;
    right24 += p24_1.x * r10 + p24_1.y * r11 + p24_1.z * r12 + p24_1.w * r13;
    let p25_0 = subgroupBroadcast(d0, 1u);
    left25 += p25_0.x * l00 + p25_0.y * l01 + p25_0.z * l02 + p25_0.w * l03;
    right25 += p25_0.x * r00 + p25_0.y * r01 + p25_0.z * r02 + p25_0.w * r03;
    let p25_1 = subgroupBroadcast(d1, 1u);
    left25 += p25_1.x * l10 + p25_1.y * l11 + p25_1.z * l12 + p25_1.w * l13;
    right25 += p25_1.x * r10 + p25_1.y * r11 + p25_1.z * r12 + p25_1.w * r13;
    let p26_0 = subgroupBroadcast(d0, 2u);
    left26 += p26_0.x * l00 + p26_0.y * l01 + p26_0.z * l02 + p26_0.w * l03;
    right26 += p26_0.x * r00 + p26_0.y * r01 + p26_0.z * r02 + p26_0.w * r03;
    let p26_1 = subgroupBroadcast(d1, 2u);
    left26 += p26_1.x * l10 + p26_1.y * l11 + p26_1.z * l12 + p26_1.w * l13;
    right26 += p26_1.x * r10 + p26_1.y * r11 + p26_1.z * r12 + p26_1.w * r13;
    let p27_0 = subgroupBroadcast(d0, 3u);
    left27 += p27_0.x * l00 + p27_0.y * l01 + p27_0.z * l02 + p27_0.w * l03;
    right27 += p27_0.x * r00 + p27_0.y * r01 + p27_0.z * r02 + p27_0.w * r03;
    let p27_1 = subgroupBroadcast(d1, 3u);
    left27 += p27_1.x * l10 + p27_1.y * l11 + p27_1.z * l12 + p27_1.w * l13;
    right27 += p27_1.x * r10 + p27_1.y * r11 + p27_1.z * r12 + p27_1.w * r13;
    let p28_0 = subgroupBroadcast(d0, 4u);
    left28 += p28_0.x * l00 + p28_0.y * l01 + p28_0.z * l02 + p28_0.w * l03;
    right28 += p28_0.x * r00 + p28_0.y * r01 + p28_0.z * r02 + p28_0.w * r03;
    let p28_1 = subgroupBroadcast(d1, 4u);
    left28 += p28_1.x * l10 + p28_1.y * l11 + p28_1.z * l12 + p28_1.w * l13;
    right28 += p28_1.x * r10 + p28_1.y * r11 + p28_1.z * r12 + p28_1.w * r13;
    let p29_0 = subgroupBroadcast(d0, 5u);
    left29 += p29_0.x * l00 + p29_0.y * l01 + p29_0.z * l02 + p29_0.w * l03;
    right29 += p29_0.x * r00 + p29_0.y * r01 + p29_0.z * r02 + p29_0.w * r03;
    let p29_1 = subgroupBroadcast(d1, 5u);
    left29 += p29_1.x * l10 + p29_1.y * l11 + p29_1.z * l12 + p29_1.w * l13;
    right29 += p29_1.x * r10 + p29_1.y * r11 + p29_1.z * r12 + p29_1.w * r13;
    let p30_0 = subgroupBroadcast(d0, 6u);
    left30 += p30_0.x * l00 + p30_0.y * l01 + p30_0.z * l02 + p30_0.w * l03;
    right30 += p30_0.x * r00 + p30_0.y * r01 + p30_0.z * r02 + p30_0.w * r03;
    let p30_1 = subgroupBroadcast(d1, 6u);
    left30 += p30_1.x * l10 + p30_1.y * l11 + p30_1.z * l12 + p30_1.w * l13;
    right30 += p30_1.x * r10 + p30_1.y * r11 + p30_1.z * r12 + p30_1.w * r13;
    let p31_0 = subgroupBroadcast(d0, 7u);
    left31 += p31_0.x * l00 + p31_0.y * l01 + p31_0.z * l02 + p31_0.w * l03;
    right31 += p31_0.x * r00 + p31_0.y * r01 + p31_0.z * r02 + p31_0.w * r03;
    let p31_1 = subgroupBroadcast(d1, 7u);
    left31 += p31_1.x * l10 + p31_1.y * l11 + p31_1.z * l12 + p31_1.w * l13;
    right31 += p31_1.x * r10 + p31_1.y * r11 + p31_1.z * r12 + p31_1.w * r13;
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
