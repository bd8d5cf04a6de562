// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. For software adapters, where a load costs far more than arithmetic: a
// register tile without workgroup memory, and the weights in a texture, whose texels come cheaper than buffer elements.
// Eight lanes own 16 rows x 64 columns; each lane keeps 16 x 8 sums, loads its own eight weight rows and two of the
// sixteen x rows, and gets the other x rows by subgroup broadcast. Needs subgroups of at least eight lanes.
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
  let row = group.y * 16u;
  let column = group.x * 64u + lane * 8u;
  let last_row = params.rows - 1u;
  let x_stride = params.x_stride >> 2u;
  let x_low = (params.x_row + min(row + lane, last_row)) * x_stride;
  let x_high = (params.x_row + min(row + lane + 8u, last_row)) * x_stride;
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
  if (WEIGHT_TYPE == 0u) {
    for (var k = 0u; k < (params.depth >> 2u); k += 1u) {
      let xa0 = x[x_low + k];
      let xb0 = x[x_high + k];
      let w0 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 0u), 0));
      let w1 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 1u), 0));
      let w2 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 2u), 0));
      let w3 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 3u), 0));
      let w4 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 4u), 0));
      let w5 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 5u), 0));
      let w6 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 6u), 0));
      let w7 = bitcast<vec4<f32>>(textureLoad(w, vec2(k, w_row + 7u), 0));
      let l00 = vec4(w0.x, w1.x, w2.x, w3.x);
      let r00 = vec4(w4.x, w5.x, w6.x, w7.x);
      let l01 = vec4(w0.y, w1.y, w2.y, w3.y);
      let r01 = vec4(w4.y, w5.y, w6.y, w7.y);
      let l02 = vec4(w0.z, w1.z, w2.z, w3.z);
      let r02 = vec4(w4.z, w5.z, w6.z, w7.z);
      let l03 = vec4(w0.w, w1.w, w2.w, w3.w);
      let r03 = vec4(w4.w, w5.w, w6.w, w7.w);
      let p00 = subgroupBroadcast(xa0, 0u);
      left0 += p00.x * l00 + p00.y * l01 + p00.z * l02 + p00.w * l03;
      right0 += p00.x * r00 + p00.y * r01 + p00.z * r02 + p00.w * r03;
      let p01 = subgroupBroadcast(xa0, 1u);
      left1 += p01.x * l00 + p01.y * l01 + p01.z * l02 + p01.w * l03;
      right1 += p01.x * r00 + p01.y * r01 + p01.z * r02 + p01.w * r03;
      let p02 = subgroupBroadcast(xa0, 2u);
      left2 += p02.x * l00 + p02.y * l01 + p02.z * l02 + p02.w * l03;
      right2 += p02.x * r00 + p02.y * r01 + p02.z * r02 + p02.w * r03;
      let p03 = subgroupBroadcast(xa0, 3u);
      left3 += p03.x * l00 + p03.y * l01 + p03.z * l02 + p03.w * l03;
      right3 += p03.x * r00 + p03.y * r01 + p03.z * r02 + p03.w * r03;
      let p04 = subgroupBroadcast(xa0, 4u);
      left4 += p04.x * l00 + p04.y * l01 + p04.z * l02 + p04.w * l03;
      right4 += p04.x * r00 + p04.y * r01 + p04.z * r02 + p04.w * r03;
      let p05 = subgroupBroadcast(xa0, 5u);
      left5 += p05.x * l00 + p05.y * l01 + p05.z * l02 + p05.w * l03;
      right5 += p05.x * r00 + p05.y * r01 + p05.z * r02 + p05.w * r03;
      let p06 = subgroupBroadcast(xa0, 6u);
      left6 += p06.x * l00 + p06.y * l01 + p06.z * l02 + p06.w * l03;
      right6 += p06.x * r00 + p06.y * r01 + p06.z * r02 + p06.w * r03;
      let p07 = subgroupBroadcast(xa0, 7u);
      left7 += p07.x * l00 + p07.y * l01 + p07.z * l02 + p07.w * l03;
      right7 += p07.x * r00 + p07.y * r01 + p07.z * r02 + p07.w * r03;
      let p08 = subgroupBroadcast(xb0, 0u);
      left8 += p08.x * l00 + p08.y * l01 + p08.z * l02 + p08.w * l03;
      right8 += p08.x * r00 + p08.y * r01 + p08.z * r02 + p08.w * r03;
      let p09 = subgroupBroadcast(xb0, 1u);
      left9 += p09.x * l00 + p09.y * l01 + p09.z * l02 + p09.w * l03;
      right9 += p09.x * r00 + p09.y * r01 + p09.z * r02 + p09.w * r03;
      let p010 = subgroupBroadcast(xb0, 2u);
      left10 += p010.x * l00 + p010.y * l01 + p010.z * l02 + p010.w * l03;
      right10 += p010.x * r00 + p010.y * r01 + p010.z * r02 + p010.w * r03;
      let p011 = subgroupBroadcast(xb0, 3u);
      left11 += p011.x * l00 + p011.y * l01 + p011.z * l02 + p011.w * l03;
      right11 += p011.x * r00 + p011.y * r01 + p011.z * r02 + p011.w * r03;
      let p012 = subgroupBroadcast(xb0, 4u);
      left12 += p012.x * l00 + p012.y * l01 + p012.z * l02 + p012.w * l03;
      right12 += p012.x * r00 + p012.y * r01 + p012.z * r02 + p012.w * r03;
      let p013 = subgroupBroadcast(xb0, 5u);
      left13 += p013.x * l00 + p013.y * l01 + p013.z * l02 + p013.w * l03;
      right13 += p013.x * r00 + p013.y * r01 + p013.z * r02 + p013.w * r03;
      let p014 = subgroupBroadcast(xb0, 6u);
      left14 += p014.x * l00 + p014.y * l01 + p014.z * l02 + p014.w * l03;
      right14 += p014.x * r00 + p014.y * r01 + p014.z * r02 + p014.w * r03;
      let p015 = subgroupBroadcast(xb0, 7u);
      left15 += p015.x * l00 + p015.y * l01 + p015.z * l02 + p015.w * l03;
      right15 += p015.x * r00 + p015.y * r01 + p015.z * r02 + p015.w * r03;
    }
  } else {
    for (var k = 0u; k < (params.depth >> 3u); k += 1u) {
      let xa0 = x[x_low + 2u * k];
      let xa1 = x[x_low + 2u * k + 1u];
      let xb0 = x[x_high + 2u * k];
      let xb1 = x[x_high + 2u * k + 1u];
      let bits0 = textureLoad(w, vec2(k, w_row + 0u), 0);
      let w0 = low(bits0);
      let v0 = high(bits0);
      let bits1 = textureLoad(w, vec2(k, w_row + 1u), 0);
      let w1 = low(bits1);
      let v1 = high(bits1);
      let bits2 = textureLoad(w, vec2(k, w_row + 2u), 0);
      let w2 = low(bits2);
      let v2 = high(bits2);
      let bits3 = textureLoad(w, vec2(k, w_row + 3u), 0);
      let w3 = low(bits3);
      let v3 = high(bits3);
      let bits4 = textureLoad(w, vec2(k, w_row + 4u), 0);
      let w4 = low(bits4);
      let v4 = high(bits4);
      let bits5 = textureLoad(w, vec2(k, w_row + 5u), 0);
      let w5 = low(bits5);
      let v5 = high(bits5);
      let bits6 = textureLoad(w, vec2(k, w_row + 6u), 0);
      let w6 = low(bits6);
      let v6 = high(bits6);
      let bits7 = textureLoad(w, vec2(k, w_row + 7u), 0);
      let w7 = low(bits7);
      let v7 = high(bits7);
      let l00 = vec4(w0.x, w1.x, w2.x, w3.x);
      let r00 = vec4(w4.x, w5.x, w6.x, w7.x);
      let l01 = vec4(w0.y, w1.y, w2.y, w3.y);
      let r01 = vec4(w4.y, w5.y, w6.y, w7.y);
      let l02 = vec4(w0.z, w1.z, w2.z, w3.z);
      let r02 = vec4(w4.z, w5.z, w6.z, w7.z);
      let l03 = vec4(w0.w, w1.w, w2.w, w3.w);
      let r03 = vec4(w4.w, w5.w, w6.w, w7.w);
      let p00 = subgroupBroadcast(xa0, 0u);
      left0 += p00.x * l00 + p00.y * l01 + p00.z * l02 + p00.w * l03;
      right0 += p00.x * r00 + p00.y * r01 + p00.z * r02 + p00.w * r03;
      let p01 = subgroupBroadcast(xa0, 1u);
      left1 += p01.x * l00 + p01.y * l01 + p01.z * l02 + p01.w * l03;
      right1 += p01.x * r00 + p01.y * r01 + p01.z * r02 + p01.w * r03;
      let p02 = subgroupBroadcast(xa0, 2u);
      left2 += p02.x * l00 + p02.y * l01 + p02.z * l02 + p02.w * l03;
      right2 += p02.x * r00 + p02.y * r01 + p02.z * r02 + p02.w * r03;
      let p03 = subgroupBroadcast(xa0, 3u);
      left3 += p03.x * l00 + p03.y * l01 + p03.z * l02 + p03.w * l03;
      right3 += p03.x * r00 + p03.y * r01 + p03.z * r02 + p03.w * r03;
      let p04 = subgroupBroadcast(xa0, 4u);
      left4 += p04.x * l00 + p04.y * l01 + p04.z * l02 + p04.w * l03;
      right4 += p04.x * r00 + p04.y * r01 + p04.z * r02 + p04.w * r03;
      let p05 = subgroupBroadcast(xa0, 5u);
      left5 += p05.x * l00 + p05.y * l01 + p05.z * l02 + p05.w * l03;
      right5 += p05.x * r00 + p05.y * r01 + p05.z * r02 + p05.w * r03;
      let p06 = subgroupBroadcast(xa0, 6u);
      left6 += p06.x * l00 + p06.y * l01 + p06.z * l02 + p06.w * l03;
      right6 += p06.x * r00 + p06.y * r01 + p06.z * r02 + p06.w * r03;
      let p07 = subgroupBroadcast(xa0, 7u);
      left7 += p07.x * l00 + p07.y * l01 + p07.z * l02 + p07.w * l03;
      right7 += p07.x * r00 + p07.y * r01 + p07.z * r02 + p07.w * r03;
      let p08 = subgroupBroadcast(xb0, 0u);
      left8 += p08.x * l00 + p08.y * l01 + p08.z * l02 + p08.w * l03;
      right8 += p08.x * r00 + p08.y * r01 + p08.z * r02 + p08.w * r03;
      let p09 = subgroupBroadcast(xb0, 1u);
      left9 += p09.x * l00 + p09.y * l01 + p09.z * l02 + p09.w * l03;
      right9 += p09.x * r00 + p09.y * r01 + p09.z * r02 + p09.w * r03;
      let p010 = subgroupBroadcast(xb0, 2u);
      left10 += p010.x * l00 + p010.y * l01 + p010.z * l02 + p010.w * l03;
      right10 += p010.x * r00 + p010.y * r01 + p010.z * r02 + p010.w * r03;
      let p011 = subgroupBroadcast(xb0, 3u);
      left11 += p011.x * l00 + p011.y * l01 + p011.z * l02 + p011.w * l03;
      right11 += p011.x * r00 + p011.y * r01 + p011.z * r02 + p011.w * r03;
      let p012 = subgroupBroadcast(xb0, 4u);
      left12 += p012.x * l00 + p012.y * l01 + p012.z * l02 + p012.w * l03;
      right12 += p012.x * r00 + p012.y * r01 + p012.z * r02 + p012.w * r03;
      let p013 = subgroupBroadcast(xb0, 5u);
      left13 += p013.x * l00 + p013.y * l01 + p013.z * l02 + p013.w * l03;
      right13 += p013.x * r00 + p013.y * r01 + p013.z * r02 + p013.w * r03;
      let p014 = subgroupBroadcast(xb0, 6u);
      left14 += p014.x * l00 + p014.y * l01 + p014.z * l02 + p014.w * l03;
      right14 += p014.x * r00 + p014.y * r01 + p014.z * r02 + p014.w * r03;
      let p015 = subgroupBroadcast(xb0, 7u);
      left15 += p015.x * l00 + p015.y * l01 + p015.z * l02 + p015.w * l03;
      right15 += p015.x * r00 + p015.y * r01 + p015.z * r02 + p015.w * r03;
      let l10 = vec4(v0.x, v1.x, v2.x, v3.x);
      let r10 = vec4(v4.x, v5.x, v6.x, v7.x);
      let l11 = vec4(v0.y, v1.y, v2.y, v3.y);
      let r11 = vec4(v4.y, v5.y, v6.y, v7.y);
      let l12 = vec4(v0.z, v1.z, v2.z, v3.z);
      let r12 = vec4(v4.z, v5.z, v6.z, v7.z);
      let l13 = vec4(v0.w, v1.w, v2.w, v3.w);
      let r13 = vec4(v4.w, v5.w, v6.w, v7.w);
      let p10 = subgroupBroadcast(xa1, 0u);
      left0 += p10.x * l10 + p10.y * l11 + p10.z * l12 + p10.w * l13;
      right0 += p10.x * r10 + p10.y * r11 + p10.z * r12 + p10.w * r13;
      let p11 = subgroupBroadcast(xa1, 1u);
      left1 += p11.x * l10 + p11.y * l11 + p11.z * l12 + p11.w * l13;
      right1 += p11.x * r10 + p11.y * r11 + p11.z * r12 + p11.w * r13;
      let p12 = subgroupBroadcast(xa1, 2u);
      left2 += p12.x * l10 + p12.y * l11 + p12.z * l12 + p12.w * l13;
      right2 += p12.x * r10 + p12.y * r11 + p12.z * r12 + p12.w * r13;
      let p13 = subgroupBroadcast(xa1, 3u);
      left3 += p13.x * l10 + p13.y * l11 + p13.z * l12 + p13.w * l13;
      right3 += p13.x * r10 + p13.y * r11 + p13.z * r12 + p13.w * r13;
      let p14 = subgroupBroadcast(xa1, 4u);
      left4 += p14.x * l10 + p14.y * l11 + p14.z * l12 + p14.w * l13;
      right4 += p14.x * r10 + p14.y * r11 + p14.z * r12 + p14.w * r13;
      let p15 = subgroupBroadcast(xa1, 5u);
      left5 += p15.x * l10 + p15.y * l11 + p15.z * l12 + p15.w * l13;
      right5 += p15.x * r10 + p15.y * r11 + p15.z * r12 + p15.w * r13;
      let p16 = subgroupBroadcast(xa1, 6u);
      left6 += p16.x * l10 + p16.y * l11 + p16.z * l12 + p16.w * l13;
      right6 += p16.x * r10 + p16.y * r11 + p16.z * r12 + p16.w * r13;
      let p17 = subgroupBroadcast(xa1, 7u);
      left7 += p17.x * l10 + p17.y * l11 + p17.z * l12 + p17.w * l13;
      right7 += p17.x * r10 + p17.y * r11 + p17.z * r12 + p17.w * r13;
      let p18 = subgroupBroadcast(xb1, 0u);
      left8 += p18.x * l10 + p18.y * l11 + p18.z * l12 + p18.w * l13;
      right8 += p18.x * r10 + p18.y * r11 + p18.z * r12 + p18.w * r13;
      let p19 = subgroupBroadcast(xb1, 1u);
      left9 += p19.x * l10 + p19.y * l11 + p19.z * l12 + p19.w * l13;
      right9 += p19.x * r10 + p19.y * r11 + p19.z * r12 + p19.w * r13;
      let p110 = subgroupBroadcast(xb1, 2u);
      left10 += p110.x * l10 + p110.y * l11 + p110.z * l12 + p110.w * l13;
      right10 += p110.x * r10 + p110.y * r11 + p110.z * r12 + p110.w * r13;
      let p111 = subgroupBroadcast(xb1, 3u);
      left11 += p111.x * l10 + p111.y * l11 + p111.z * l12 + p111.w * l13;
      right11 += p111.x * r10 + p111.y * r11 + p111.z * r12 + p111.w * r13;
      let p112 = subgroupBroadcast(xb1, 4u);
      left12 += p112.x * l10 + p112.y * l11 + p112.z * l12 + p112.w * l13;
      right12 += p112.x * r10 + p112.y * r11 + p112.z * r12 + p112.w * r13;
      let p113 = subgroupBroadcast(xb1, 5u);
      left13 += p113.x * l10 + p113.y * l11 + p113.z * l12 + p113.w * l13;
      right13 += p113.x * r10 + p113.y * r11 + p113.z * r12 + p113.w * r13;
      let p114 = subgroupBroadcast(xb1, 6u);
      left14 += p114.x * l10 + p114.y * l11 + p114.z * l12 + p114.w * l13;
      right14 += p114.x * r10 + p114.y * r11 + p114.z * r12 + p114.w * r13;
      let p115 = subgroupBroadcast(xb1, 7u);
      left15 += p115.x * l10 + p115.y * l11 + p115.z * l12 + p115.w * l13;
      right15 += p115.x * r10 + p115.y * r11 + p115.z * r12 + p115.w * r13;
    }
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
