// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. Register tile without workgroup memory,
// as in matmul_nt_subgroup: eight lanes own 16 rows x 32 columns. Needs subgroups of at least eight lanes.
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
  w_row: u32, // first row of w
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

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
    let at = ((params.x_row + row) * params.x_stride + column) >> 2u;
    if (params.accumulate == 1u) {
      dx[at] += value;
    } else {
      dx[at] = value;
    }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * 16u;
  let column = group.x * 32u + lane * 4u;
  let last_row = params.rows - 1u;
  let y_stride = params.y_stride >> 2u;
  let y_low = (params.y_row + min(row + lane, last_row)) * y_stride + (params.y_column >> 2u);
  let y_high = (params.y_row + min(row + lane + 8u, last_row)) * y_stride + (params.y_column >> 2u);
  let w_stride = params.columns >> 2u;
  let w_column = min(column, params.columns - 4u) >> 2u;
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
  for (var n = 0u; n < params.depth; n += 4u) {
    let ya = dy[y_low + (n >> 2u)];
    let yb = dy[y_high + (n >> 2u)];
    let w_at = w_column + (params.w_row + n) * w_stride;
    let w0 = weights(w_at);
    let w1 = weights(w_at + w_stride);
    let w2 = weights(w_at + 2u * w_stride);
    let w3 = weights(w_at + 3u * w_stride);
    let p0 = subgroupBroadcast(ya, 0u);
    sum0 += p0.x * w0 + p0.y * w1 + p0.z * w2 + p0.w * w3;
    let p1 = subgroupBroadcast(ya, 1u);
    sum1 += p1.x * w0 + p1.y * w1 + p1.z * w2 + p1.w * w3;
    let p2 = subgroupBroadcast(ya, 2u);
    sum2 += p2.x * w0 + p2.y * w1 + p2.z * w2 + p2.w * w3;
    let p3 = subgroupBroadcast(ya, 3u);
    sum3 += p3.x * w0 + p3.y * w1 + p3.z * w2 + p3.w * w3;
    let p4 = subgroupBroadcast(ya, 4u);
    sum4 += p4.x * w0 + p4.y * w1 + p4.z * w2 + p4.w * w3;
    let p5 = subgroupBroadcast(ya, 5u);
    sum5 += p5.x * w0 + p5.y * w1 + p5.z * w2 + p5.w * w3;
    let p6 = subgroupBroadcast(ya, 6u);
    sum6 += p6.x * w0 + p6.y * w1 + p6.z * w2 + p6.w * w3;
    let p7 = subgroupBroadcast(ya, 7u);
    sum7 += p7.x * w0 + p7.y * w1 + p7.z * w2 + p7.w * w3;
    let p8 = subgroupBroadcast(yb, 0u);
    sum8 += p8.x * w0 + p8.y * w1 + p8.z * w2 + p8.w * w3;
    let p9 = subgroupBroadcast(yb, 1u);
    sum9 += p9.x * w0 + p9.y * w1 + p9.z * w2 + p9.w * w3;
    let p10 = subgroupBroadcast(yb, 2u);
    sum10 += p10.x * w0 + p10.y * w1 + p10.z * w2 + p10.w * w3;
    let p11 = subgroupBroadcast(yb, 3u);
    sum11 += p11.x * w0 + p11.y * w1 + p11.z * w2 + p11.w * w3;
    let p12 = subgroupBroadcast(yb, 4u);
    sum12 += p12.x * w0 + p12.y * w1 + p12.z * w2 + p12.w * w3;
    let p13 = subgroupBroadcast(yb, 5u);
    sum13 += p13.x * w0 + p13.y * w1 + p13.z * w2 + p13.w * w3;
    let p14 = subgroupBroadcast(yb, 6u);
    sum14 += p14.x * w0 + p14.y * w1 + p14.z * w2 + p14.w * w3;
    let p15 = subgroupBroadcast(yb, 7u);
    sum15 += p15.x * w0 + p15.y * w1 + p15.z * w2 + p15.w * w3;
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
