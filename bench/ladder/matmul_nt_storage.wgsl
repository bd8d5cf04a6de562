// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. Register tile without workgroup memory: eight lanes own 16 rows x 32
// columns; each lane keeps 16 x 4 sums, loads its own four weight rows and two of the sixteen x rows, and gets the
// other x rows by subgroup broadcast. Needs subgroups of at least eight lanes.
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
  w_row: u32, // first row of w
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn low(bits: vec4<u32>) -> vec4<f32> {
  if (WEIGHT_TYPE == 1u) {
    return bitcast<vec4<f32>>(vec4(bits.x << 16u, bits.x & 0xffff0000u, bits.y << 16u, bits.y & 0xffff0000u));
  }
  return vec4(unpack2x16float(bits.x), unpack2x16float(bits.y));
}

fn high(bits: vec4<u32>) -> vec4<f32> {
  return low(bits.zwzw);
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

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 16u;
  let column = group.x * 32u + lane * 4u;
  let last_row = params.rows - 1u;
  let x_stride = params.x_stride >> 2u;
  let x_low = (params.x_row + min(row + lane, last_row)) * x_stride;
  let x_high = (params.x_row + min(row + lane + 8u, last_row)) * x_stride;
  let w_stride = select(params.depth >> 3u, params.depth >> 2u, WEIGHT_TYPE == 0u);
  let w_at = (params.w_row + min(column, params.columns - 4u)) * w_stride;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  var sum4 = vec4<f32>();
  var sum5 = vec4<f32>();
  var sum6 = vec4<f32>();
  var sum7 = vec4<f32>();
  var sum8 = vec4<f32>();
  var sum9 = vec4<f32>();
  var sum10 = vec4<f32>();
  var sum11 = vec4<f32>();
  var sum12 = vec4<f32>();
  var sum13 = vec4<f32>();
  var sum14 = vec4<f32>();
  var sum15 = vec4<f32>();
  for (var k = 0u; k < params.depth; k += 8u) {
    let at = k >> 2u;
    let xa0 = x[x_low + at];
    let xa1 = x[x_low + at + 1u];
    let xb0 = x[x_high + at];
    let xb1 = x[x_high + at + 1u];
    var w00: vec4<f32>;
    var w01: vec4<f32>;
    var w10: vec4<f32>;
    var w11: vec4<f32>;
    var w20: vec4<f32>;
    var w21: vec4<f32>;
    var w30: vec4<f32>;
    var w31: vec4<f32>;
    if (WEIGHT_TYPE == 0u) {
      w00 = bitcast<vec4<f32>>(w[w_at + at]);
      w01 = bitcast<vec4<f32>>(w[w_at + at + 1u]);
      w10 = bitcast<vec4<f32>>(w[w_at + w_stride + at]);
      w11 = bitcast<vec4<f32>>(w[w_at + w_stride + at + 1u]);
      w20 = bitcast<vec4<f32>>(w[w_at + 2u * w_stride + at]);
      w21 = bitcast<vec4<f32>>(w[w_at + 2u * w_stride + at + 1u]);
      w30 = bitcast<vec4<f32>>(w[w_at + 3u * w_stride + at]);
      w31 = bitcast<vec4<f32>>(w[w_at + 3u * w_stride + at + 1u]);
    } else {
      let bits0 = w[w_at + (k >> 3u)];
      w00 = low(bits0);
      w01 = high(bits0);
      let bits1 = w[w_at + w_stride + (k >> 3u)];
      w10 = low(bits1);
      w11 = high(bits1);
      let bits2 = w[w_at + 2u * w_stride + (k >> 3u)];
      w20 = low(bits2);
      w21 = high(bits2);
      let bits3 = w[w_at + 3u * w_stride + (k >> 3u)];
      w30 = low(bits3);
      w31 = high(bits3);
    }
    let t0 = vec4(w00.x, w10.x, w20.x, w30.x);
    let t1 = vec4(w00.y, w10.y, w20.y, w30.y);
    let t2 = vec4(w00.z, w10.z, w20.z, w30.z);
    let t3 = vec4(w00.w, w10.w, w20.w, w30.w);
    let t4 = vec4(w01.x, w11.x, w21.x, w31.x);
    let t5 = vec4(w01.y, w11.y, w21.y, w31.y);
    let t6 = vec4(w01.z, w11.z, w21.z, w31.z);
    let t7 = vec4(w01.w, w11.w, w21.w, w31.w);
    let p0 = subgroupBroadcast(xa0, 0u);
    let q0 = subgroupBroadcast(xa1, 0u);
    sum0 += p0.x * t0 + p0.y * t1 + p0.z * t2 + p0.w * t3;
    sum0 += q0.x * t4 + q0.y * t5 + q0.z * t6 + q0.w * t7;
    let p1 = subgroupBroadcast(xa0, 1u);
    let q1 = subgroupBroadcast(xa1, 1u);
    sum1 += p1.x * t0 + p1.y * t1 + p1.z * t2 + p1.w * t3;
    sum1 += q1.x * t4 + q1.y * t5 + q1.z * t6 + q1.w * t7;
    let p2 = subgroupBroadcast(xa0, 2u);
    let q2 = subgroupBroadcast(xa1, 2u);
    sum2 += p2.x * t0 + p2.y * t1 + p2.z * t2 + p2.w * t3;
    sum2 += q2.x * t4 + q2.y * t5 + q2.z * t6 + q2.w * t7;
    let p3 = subgroupBroadcast(xa0, 3u);
    let q3 = subgroupBroadcast(xa1, 3u);
    sum3 += p3.x * t0 + p3.y * t1 + p3.z * t2 + p3.w * t3;
    sum3 += q3.x * t4 + q3.y * t5 + q3.z * t6 + q3.w * t7;
    let p4 = subgroupBroadcast(xa0, 4u);
    let q4 = subgroupBroadcast(xa1, 4u);
    sum4 += p4.x * t0 + p4.y * t1 + p4.z * t2 + p4.w * t3;
    sum4 += q4.x * t4 + q4.y * t5 + q4.z * t6 + q4.w * t7;
    let p5 = subgroupBroadcast(xa0, 5u);
    let q5 = subgroupBroadcast(xa1, 5u);
    sum5 += p5.x * t0 + p5.y * t1 + p5.z * t2 + p5.w * t3;
    sum5 += q5.x * t4 + q5.y * t5 + q5.z * t6 + q5.w * t7;
    let p6 = subgroupBroadcast(xa0, 6u);
    let q6 = subgroupBroadcast(xa1, 6u);
    sum6 += p6.x * t0 + p6.y * t1 + p6.z * t2 + p6.w * t3;
    sum6 += q6.x * t4 + q6.y * t5 + q6.z * t6 + q6.w * t7;
    let p7 = subgroupBroadcast(xa0, 7u);
    let q7 = subgroupBroadcast(xa1, 7u);
    sum7 += p7.x * t0 + p7.y * t1 + p7.z * t2 + p7.w * t3;
    sum7 += q7.x * t4 + q7.y * t5 + q7.z * t6 + q7.w * t7;
    let p8 = subgroupBroadcast(xb0, 0u);
    let q8 = subgroupBroadcast(xb1, 0u);
    sum8 += p8.x * t0 + p8.y * t1 + p8.z * t2 + p8.w * t3;
    sum8 += q8.x * t4 + q8.y * t5 + q8.z * t6 + q8.w * t7;
    let p9 = subgroupBroadcast(xb0, 1u);
    let q9 = subgroupBroadcast(xb1, 1u);
    sum9 += p9.x * t0 + p9.y * t1 + p9.z * t2 + p9.w * t3;
    sum9 += q9.x * t4 + q9.y * t5 + q9.z * t6 + q9.w * t7;
    let p10 = subgroupBroadcast(xb0, 2u);
    let q10 = subgroupBroadcast(xb1, 2u);
    sum10 += p10.x * t0 + p10.y * t1 + p10.z * t2 + p10.w * t3;
    sum10 += q10.x * t4 + q10.y * t5 + q10.z * t6 + q10.w * t7;
    let p11 = subgroupBroadcast(xb0, 3u);
    let q11 = subgroupBroadcast(xb1, 3u);
    sum11 += p11.x * t0 + p11.y * t1 + p11.z * t2 + p11.w * t3;
    sum11 += q11.x * t4 + q11.y * t5 + q11.z * t6 + q11.w * t7;
    let p12 = subgroupBroadcast(xb0, 4u);
    let q12 = subgroupBroadcast(xb1, 4u);
    sum12 += p12.x * t0 + p12.y * t1 + p12.z * t2 + p12.w * t3;
    sum12 += q12.x * t4 + q12.y * t5 + q12.z * t6 + q12.w * t7;
    let p13 = subgroupBroadcast(xb0, 5u);
    let q13 = subgroupBroadcast(xb1, 5u);
    sum13 += p13.x * t0 + p13.y * t1 + p13.z * t2 + p13.w * t3;
    sum13 += q13.x * t4 + q13.y * t5 + q13.z * t6 + q13.w * t7;
    let p14 = subgroupBroadcast(xb0, 6u);
    let q14 = subgroupBroadcast(xb1, 6u);
    sum14 += p14.x * t0 + p14.y * t1 + p14.z * t2 + p14.w * t3;
    sum14 += q14.x * t4 + q14.y * t5 + q14.z * t6 + q14.w * t7;
    let p15 = subgroupBroadcast(xb0, 7u);
    let q15 = subgroupBroadcast(xb1, 7u);
    sum15 += p15.x * t0 + p15.y * t1 + p15.z * t2 + p15.w * t3;
    sum15 += q15.x * t4 + q15.y * t5 + q15.z * t6 + q15.w * t7;
  }
  store(row + 0u, column, sum0);
  store(row + 1u, column, sum1);
  store(row + 2u, column, sum2);
  store(row + 3u, column, sum3);
  store(row + 4u, column, sum4);
  store(row + 5u, column, sum5);
  store(row + 6u, column, sum6);
  store(row + 7u, column, sum7);
  store(row + 8u, column, sum8);
  store(row + 9u, column, sum9);
  store(row + 10u, column, sum10);
  store(row + 11u, column, sum11);
  store(row + 12u, column, sum12);
  store(row + 13u, column, sum13);
  store(row + 14u, column, sum14);
  store(row + 15u, column, sum15);
}
