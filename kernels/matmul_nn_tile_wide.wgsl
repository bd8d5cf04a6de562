// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. For GPUs with registers to spare: tiles
// of 8 SIDE x 8 SIDE through workgroup memory, N in steps of 8; each of the SIDE x SIDE invocations keeps 8 x 8 sums,
// of rows SIDE apart and of two groups of four columns. dx is overwritten, or accumulated into when params.accumulate
// is 1.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16
override SIDE: u32 = 16u; // invocations along each side of the workgroup: 8 or 16

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
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

var<workgroup> y_tile: array<vec4<f32>, 24 * SIDE>; // [8 SIDE rows][2 groups of four N, 1 padding]
var<workgroup> w_tile: array<vec4<f32>, 16 * SIDE>; // [8 N][2 SIDE groups of four columns]

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

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * 8u * SIDE;
  let column = group.x * 8u * SIDE;
  let y_stride = params.y_stride >> 2u;
  let y_column = params.y_column >> 2u;
  let column_groups = params.columns >> 2u;
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
  for (var n = 0u; n < params.depth; n += 8u) {
    workgroupBarrier();
    // Each invocation brings four values of a row of dy and four neighbouring weights, one or two times.
    for (var i = index; i < 16u * SIDE; i += SIDE * SIDE) {
      let tile_row = i >> 1u;
      let tile_n = i & 1u;
      let y_row = params.y_row + min(row + tile_row, params.rows - 1u);
      y_tile[tile_row * 3u + tile_n] = dy[y_row * y_stride + y_column + (n >> 2u) + tile_n];
      let w_row = n + i / (2u * SIDE);
      let w_column = min((column >> 2u) + i % (2u * SIDE), column_groups - 1u);
      w_tile[i] = weights(w_row * column_groups + w_column);
    }
    workgroupBarrier();
    let l00 = w_tile[0u * 2u * SIDE + local.x];
    let r00 = w_tile[0u * 2u * SIDE + local.x + SIDE];
    let l01 = w_tile[1u * 2u * SIDE + local.x];
    let r01 = w_tile[1u * 2u * SIDE + local.x + SIDE];
    let l02 = w_tile[2u * 2u * SIDE + local.x];
    let r02 = w_tile[2u * 2u * SIDE + local.x + SIDE];
    let l03 = w_tile[3u * 2u * SIDE + local.x];
    let r03 = w_tile[3u * 2u * SIDE + local.x + SIDE];
    let a00 = y_tile[(local.y + 0u * SIDE) * 3u + 0u];
    left0 += a00.x * l00 + a00.y * l01 + a00.z * l02 + a00.w * l03;
    right0 += a00.x * r00 + a00.y * r01 + a00.z * r02 + a00.w * r03;
    let a01 = y_tile[(local.y + 1u * SIDE) * 3u + 0u];
    left1 += a01.x * l00 + a01.y * l01 + a01.z * l02 + a01.w * l03;
    right1 += a01.x * r00 + a01.y * r01 + a01.z * r02 + a01.w * r03;
    let a02 = y_tile[(local.y + 2u * SIDE) * 3u + 0u];
    left2 += a02.x * l00 + a02.y * l01 + a02.z * l02 + a02.w * l03;
    right2 += a02.x * r00 + a02.y * r01 + a02.z * r02 + a02.w * r03;
    let a03 = y_tile[(local.y + 3u * SIDE) * 3u + 0u];
    left3 += a03.x * l00 + a03.y * l01 + a03.z * l02 + a03.w * l03;
    right3 += a03.x * r00 + a03.y * r01 + a03.z * r02 + a03.w * r03;
    let a04 = y_tile[(local.y + 4u * SIDE) * 3u + 0u];
    left4 += a04.x * l00 + a04.y * l01 + a04.z * l02 + a04.w * l03;
    right4 += a04.x * r00 + a04.y * r01 + a04.z * r02 + a04.w * r03;
    let a05 = y_tile[(local.y + 5u * SIDE) * 3u + 0u];
    left5 += a05.x * l00 + a05.y * l01 + a05.z * l02 + a05.w * l03;
    right5 += a05.x * r00 + a05.y * r01 + a05.z * r02 + a05.w * r03;
    let a06 = y_tile[(local.y + 6u * SIDE) * 3u + 0u];
    left6 += a06.x * l00 + a06.y * l01 + a06.z * l02 + a06.w * l03;
    right6 += a06.x * r00 + a06.y * r01 + a06.z * r02 + a06.w * r03;
    let a07 = y_tile[(local.y + 7u * SIDE) * 3u + 0u];
    left7 += a07.x * l00 + a07.y * l01 + a07.z * l02 + a07.w * l03;
    right7 += a07.x * r00 + a07.y * r01 + a07.z * r02 + a07.w * r03;
    let l10 = w_tile[4u * 2u * SIDE + local.x];
    let r10 = w_tile[4u * 2u * SIDE + local.x + SIDE];
    let l11 = w_tile[5u * 2u * SIDE + local.x];
    let r11 = w_tile[5u * 2u * SIDE + local.x + SIDE];
    let l12 = w_tile[6u * 2u * SIDE + local.x];
    let r12 = w_tile[6u * 2u * SIDE + local.x + SIDE];
    let l13 = w_tile[7u * 2u * SIDE + local.x];
    let r13 = w_tile[7u * 2u * SIDE + local.x + SIDE];
    let a10 = y_tile[(local.y + 0u * SIDE) * 3u + 1u];
    left0 += a10.x * l10 + a10.y * l11 + a10.z * l12 + a10.w * l13;
    right0 += a10.x * r10 + a10.y * r11 + a10.z * r12 + a10.w * r13;
    let a11 = y_tile[(local.y + 1u * SIDE) * 3u + 1u];
    left1 += a11.x * l10 + a11.y * l11 + a11.z * l12 + a11.w * l13;
    right1 += a11.x * r10 + a11.y * r11 + a11.z * r12 + a11.w * r13;
    let a12 = y_tile[(local.y + 2u * SIDE) * 3u + 1u];
    left2 += a12.x * l10 + a12.y * l11 + a12.z * l12 + a12.w * l13;
    right2 += a12.x * r10 + a12.y * r11 + a12.z * r12 + a12.w * r13;
    let a13 = y_tile[(local.y + 3u * SIDE) * 3u + 1u];
    left3 += a13.x * l10 + a13.y * l11 + a13.z * l12 + a13.w * l13;
    right3 += a13.x * r10 + a13.y * r11 + a13.z * r12 + a13.w * r13;
    let a14 = y_tile[(local.y + 4u * SIDE) * 3u + 1u];
    left4 += a14.x * l10 + a14.y * l11 + a14.z * l12 + a14.w * l13;
    right4 += a14.x * r10 + a14.y * r11 + a14.z * r12 + a14.w * r13;
    let a15 = y_tile[(local.y + 5u * SIDE) * 3u + 1u];
    left5 += a15.x * l10 + a15.y * l11 + a15.z * l12 + a15.w * l13;
    right5 += a15.x * r10 + a15.y * r11 + a15.z * r12 + a15.w * r13;
    let a16 = y_tile[(local.y + 6u * SIDE) * 3u + 1u];
    left6 += a16.x * l10 + a16.y * l11 + a16.z * l12 + a16.w * l13;
    right6 += a16.x * r10 + a16.y * r11 + a16.z * r12 + a16.w * r13;
    let a17 = y_tile[(local.y + 7u * SIDE) * 3u + 1u];
    left7 += a17.x * l10 + a17.y * l11 + a17.z * l12 + a17.w * l13;
    right7 += a17.x * r10 + a17.y * r11 + a17.z * r12 + a17.w * r13;
  }
  store(row + local.y + 0u * SIDE, column + local.x * 4u, left0);
  store(row + local.y + 0u * SIDE, column + (local.x + SIDE) * 4u, right0);
  store(row + local.y + 1u * SIDE, column + local.x * 4u, left1);
  store(row + local.y + 1u * SIDE, column + (local.x + SIDE) * 4u, right1);
  store(row + local.y + 2u * SIDE, column + local.x * 4u, left2);
  store(row + local.y + 2u * SIDE, column + (local.x + SIDE) * 4u, right2);
  store(row + local.y + 3u * SIDE, column + local.x * 4u, left3);
  store(row + local.y + 3u * SIDE, column + (local.x + SIDE) * 4u, right3);
  store(row + local.y + 4u * SIDE, column + local.x * 4u, left4);
  store(row + local.y + 4u * SIDE, column + (local.x + SIDE) * 4u, right4);
  store(row + local.y + 5u * SIDE, column + local.x * 4u, left5);
  store(row + local.y + 5u * SIDE, column + (local.x + SIDE) * 4u, right5);
  store(row + local.y + 6u * SIDE, column + local.x * 4u, left6);
  store(row + local.y + 6u * SIDE, column + (local.x + SIDE) * 4u, right6);
  store(row + local.y + 7u * SIDE, column + local.x * 4u, left7);
  store(row + local.y + 7u * SIDE, column + (local.x + SIDE) * 4u, right7);
}
