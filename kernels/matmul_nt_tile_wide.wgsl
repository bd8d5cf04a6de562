// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. For GPUs with registers to spare: tiles of 8 SIDE x 8 SIDE through
// workgroup memory, K in steps of 8; each of the SIDE x SIDE invocations keeps 8 x 8 sums, of rows and columns SIDE
// apart, so that neighbours read and write neighbouring elements. Tile rows run along K and are padded to three vec4 so
// that neighbouring rows use other banks.
// y is overwritten, or accumulated into when params.accumulate is 1.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16
override SIDE: u32 = 16u; // invocations along each side of the workgroup: 8 or 16

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
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> x_tile: array<vec4<f32>, 24 * SIDE>; // [8 SIDE rows][2 groups of four K, 1 padding]
var<workgroup> w_tile: array<vec4<f32>, 24 * SIDE>;

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

fn store(row: u32, column: u32, value: f32) {
  if (row < params.rows && column < params.columns) {
    let at = (params.y_row + row) * params.y_stride + params.y_column + column;
    if (params.accumulate == 1u) {
      y[at] += value;
    } else {
      y[at] = value;
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
  let steps = params.depth >> 2u;
  let x_stride = params.x_stride >> 2u;
  var low0 = vec4<f32>();
  var high0 = vec4<f32>();
  var low1 = vec4<f32>();
  var high1 = vec4<f32>();
  var low2 = vec4<f32>();
  var high2 = vec4<f32>();
  var low3 = vec4<f32>();
  var high3 = vec4<f32>();
  var low4 = vec4<f32>();
  var high4 = vec4<f32>();
  var low5 = vec4<f32>();
  var high5 = vec4<f32>();
  var low6 = vec4<f32>();
  var high6 = vec4<f32>();
  var low7 = vec4<f32>();
  var high7 = vec4<f32>();
  for (var k = 0u; k < steps; k += 2u) {
    workgroupBarrier();
    // Each invocation brings four neighbouring K values of a row of x and of a row of w, one or two times.
    for (var i = index; i < 16u * SIDE; i += SIDE * SIDE) {
      let tile_row = i >> 1u;
      let tile_k = i & 1u;
      let x_row = params.x_row + min(row + tile_row, params.rows - 1u);
      let w_row = min(column + tile_row, params.columns - 1u);
      x_tile[tile_row * 3u + tile_k] = x[x_row * x_stride + k + tile_k];
      w_tile[tile_row * 3u + tile_k] = weights(w_row * steps + k + tile_k);
    }
    workgroupBarrier();
    let b00 = w_tile[(local.x + 0u * SIDE) * 3u + 0u];
    let b01 = w_tile[(local.x + 1u * SIDE) * 3u + 0u];
    let b02 = w_tile[(local.x + 2u * SIDE) * 3u + 0u];
    let b03 = w_tile[(local.x + 3u * SIDE) * 3u + 0u];
    let b04 = w_tile[(local.x + 4u * SIDE) * 3u + 0u];
    let b05 = w_tile[(local.x + 5u * SIDE) * 3u + 0u];
    let b06 = w_tile[(local.x + 6u * SIDE) * 3u + 0u];
    let b07 = w_tile[(local.x + 7u * SIDE) * 3u + 0u];
    let a00 = x_tile[(local.y + 0u * SIDE) * 3u + 0u];
    low0 += vec4(dot(a00, b00), dot(a00, b01), dot(a00, b02), dot(a00, b03));
    high0 += vec4(dot(a00, b04), dot(a00, b05), dot(a00, b06), dot(a00, b07));
    let a01 = x_tile[(local.y + 1u * SIDE) * 3u + 0u];
    low1 += vec4(dot(a01, b00), dot(a01, b01), dot(a01, b02), dot(a01, b03));
    high1 += vec4(dot(a01, b04), dot(a01, b05), dot(a01, b06), dot(a01, b07));
    let a02 = x_tile[(local.y + 2u * SIDE) * 3u + 0u];
    low2 += vec4(dot(a02, b00), dot(a02, b01), dot(a02, b02), dot(a02, b03));
    high2 += vec4(dot(a02, b04), dot(a02, b05), dot(a02, b06), dot(a02, b07));
    let a03 = x_tile[(local.y + 3u * SIDE) * 3u + 0u];
    low3 += vec4(dot(a03, b00), dot(a03, b01), dot(a03, b02), dot(a03, b03));
    high3 += vec4(dot(a03, b04), dot(a03, b05), dot(a03, b06), dot(a03, b07));
    let a04 = x_tile[(local.y + 4u * SIDE) * 3u + 0u];
    low4 += vec4(dot(a04, b00), dot(a04, b01), dot(a04, b02), dot(a04, b03));
    high4 += vec4(dot(a04, b04), dot(a04, b05), dot(a04, b06), dot(a04, b07));
    let a05 = x_tile[(local.y + 5u * SIDE) * 3u + 0u];
    low5 += vec4(dot(a05, b00), dot(a05, b01), dot(a05, b02), dot(a05, b03));
    high5 += vec4(dot(a05, b04), dot(a05, b05), dot(a05, b06), dot(a05, b07));
    let a06 = x_tile[(local.y + 6u * SIDE) * 3u + 0u];
    low6 += vec4(dot(a06, b00), dot(a06, b01), dot(a06, b02), dot(a06, b03));
    high6 += vec4(dot(a06, b04), dot(a06, b05), dot(a06, b06), dot(a06, b07));
    let a07 = x_tile[(local.y + 7u * SIDE) * 3u + 0u];
    low7 += vec4(dot(a07, b00), dot(a07, b01), dot(a07, b02), dot(a07, b03));
    high7 += vec4(dot(a07, b04), dot(a07, b05), dot(a07, b06), dot(a07, b07));
    let b10 = w_tile[(local.x + 0u * SIDE) * 3u + 1u];
    let b11 = w_tile[(local.x + 1u * SIDE) * 3u + 1u];
    let b12 = w_tile[(local.x + 2u * SIDE) * 3u + 1u];
    let b13 = w_tile[(local.x + 3u * SIDE) * 3u + 1u];
    let b14 = w_tile[(local.x + 4u * SIDE) * 3u + 1u];
    let b15 = w_tile[(local.x + 5u * SIDE) * 3u + 1u];
    let b16 = w_tile[(local.x + 6u * SIDE) * 3u + 1u];
    let b17 = w_tile[(local.x + 7u * SIDE) * 3u + 1u];
    let a10 = x_tile[(local.y + 0u * SIDE) * 3u + 1u];
    low0 += vec4(dot(a10, b10), dot(a10, b11), dot(a10, b12), dot(a10, b13));
    high0 += vec4(dot(a10, b14), dot(a10, b15), dot(a10, b16), dot(a10, b17));
    let a11 = x_tile[(local.y + 1u * SIDE) * 3u + 1u];
    low1 += vec4(dot(a11, b10), dot(a11, b11), dot(a11, b12), dot(a11, b13));
    high1 += vec4(dot(a11, b14), dot(a11, b15), dot(a11, b16), dot(a11, b17));
    let a12 = x_tile[(local.y + 2u * SIDE) * 3u + 1u];
    low2 += vec4(dot(a12, b10), dot(a12, b11), dot(a12, b12), dot(a12, b13));
    high2 += vec4(dot(a12, b14), dot(a12, b15), dot(a12, b16), dot(a12, b17));
    let a13 = x_tile[(local.y + 3u * SIDE) * 3u + 1u];
    low3 += vec4(dot(a13, b10), dot(a13, b11), dot(a13, b12), dot(a13, b13));
    high3 += vec4(dot(a13, b14), dot(a13, b15), dot(a13, b16), dot(a13, b17));
    let a14 = x_tile[(local.y + 4u * SIDE) * 3u + 1u];
    low4 += vec4(dot(a14, b10), dot(a14, b11), dot(a14, b12), dot(a14, b13));
    high4 += vec4(dot(a14, b14), dot(a14, b15), dot(a14, b16), dot(a14, b17));
    let a15 = x_tile[(local.y + 5u * SIDE) * 3u + 1u];
    low5 += vec4(dot(a15, b10), dot(a15, b11), dot(a15, b12), dot(a15, b13));
    high5 += vec4(dot(a15, b14), dot(a15, b15), dot(a15, b16), dot(a15, b17));
    let a16 = x_tile[(local.y + 6u * SIDE) * 3u + 1u];
    low6 += vec4(dot(a16, b10), dot(a16, b11), dot(a16, b12), dot(a16, b13));
    high6 += vec4(dot(a16, b14), dot(a16, b15), dot(a16, b16), dot(a16, b17));
    let a17 = x_tile[(local.y + 7u * SIDE) * 3u + 1u];
    low7 += vec4(dot(a17, b10), dot(a17, b11), dot(a17, b12), dot(a17, b13));
    high7 += vec4(dot(a17, b14), dot(a17, b15), dot(a17, b16), dot(a17, b17));
  }
  store(row + local.y + 0u * SIDE, column + local.x + 0u * SIDE, low0.x);
  store(row + local.y + 0u * SIDE, column + local.x + 1u * SIDE, low0.y);
  store(row + local.y + 0u * SIDE, column + local.x + 2u * SIDE, low0.z);
  store(row + local.y + 0u * SIDE, column + local.x + 3u * SIDE, low0.w);
  store(row + local.y + 0u * SIDE, column + local.x + 4u * SIDE, high0.x);
  store(row + local.y + 0u * SIDE, column + local.x + 5u * SIDE, high0.y);
  store(row + local.y + 0u * SIDE, column + local.x + 6u * SIDE, high0.z);
  store(row + local.y + 0u * SIDE, column + local.x + 7u * SIDE, high0.w);
  store(row + local.y + 1u * SIDE, column + local.x + 0u * SIDE, low1.x);
  store(row + local.y + 1u * SIDE, column + local.x + 1u * SIDE, low1.y);
  store(row + local.y + 1u * SIDE, column + local.x + 2u * SIDE, low1.z);
  store(row + local.y + 1u * SIDE, column + local.x + 3u * SIDE, low1.w);
  store(row + local.y + 1u * SIDE, column + local.x + 4u * SIDE, high1.x);
  store(row + local.y + 1u * SIDE, column + local.x + 5u * SIDE, high1.y);
  store(row + local.y + 1u * SIDE, column + local.x + 6u * SIDE, high1.z);
  store(row + local.y + 1u * SIDE, column + local.x + 7u * SIDE, high1.w);
  store(row + local.y + 2u * SIDE, column + local.x + 0u * SIDE, low2.x);
  store(row + local.y + 2u * SIDE, column + local.x + 1u * SIDE, low2.y);
  store(row + local.y + 2u * SIDE, column + local.x + 2u * SIDE, low2.z);
  store(row + local.y + 2u * SIDE, column + local.x + 3u * SIDE, low2.w);
  store(row + local.y + 2u * SIDE, column + local.x + 4u * SIDE, high2.x);
  store(row + local.y + 2u * SIDE, column + local.x + 5u * SIDE, high2.y);
  store(row + local.y + 2u * SIDE, column + local.x + 6u * SIDE, high2.z);
  store(row + local.y + 2u * SIDE, column + local.x + 7u * SIDE, high2.w);
  store(row + local.y + 3u * SIDE, column + local.x + 0u * SIDE, low3.x);
  store(row + local.y + 3u * SIDE, column + local.x + 1u * SIDE, low3.y);
  store(row + local.y + 3u * SIDE, column + local.x + 2u * SIDE, low3.z);
  store(row + local.y + 3u * SIDE, column + local.x + 3u * SIDE, low3.w);
  store(row + local.y + 3u * SIDE, column + local.x + 4u * SIDE, high3.x);
  store(row + local.y + 3u * SIDE, column + local.x + 5u * SIDE, high3.y);
  store(row + local.y + 3u * SIDE, column + local.x + 6u * SIDE, high3.z);
  store(row + local.y + 3u * SIDE, column + local.x + 7u * SIDE, high3.w);
  store(row + local.y + 4u * SIDE, column + local.x + 0u * SIDE, low4.x);
  store(row + local.y + 4u * SIDE, column + local.x + 1u * SIDE, low4.y);
  store(row + local.y + 4u * SIDE, column + local.x + 2u * SIDE, low4.z);
  store(row + local.y + 4u * SIDE, column + local.x + 3u * SIDE, low4.w);
  store(row + local.y + 4u * SIDE, column + local.x + 4u * SIDE, high4.x);
  store(row + local.y + 4u * SIDE, column + local.x + 5u * SIDE, high4.y);
  store(row + local.y + 4u * SIDE, column + local.x + 6u * SIDE, high4.z);
  store(row + local.y + 4u * SIDE, column + local.x + 7u * SIDE, high4.w);
  store(row + local.y + 5u * SIDE, column + local.x + 0u * SIDE, low5.x);
  store(row + local.y + 5u * SIDE, column + local.x + 1u * SIDE, low5.y);
  store(row + local.y + 5u * SIDE, column + local.x + 2u * SIDE, low5.z);
  store(row + local.y + 5u * SIDE, column + local.x + 3u * SIDE, low5.w);
  store(row + local.y + 5u * SIDE, column + local.x + 4u * SIDE, high5.x);
  store(row + local.y + 5u * SIDE, column + local.x + 5u * SIDE, high5.y);
  store(row + local.y + 5u * SIDE, column + local.x + 6u * SIDE, high5.z);
  store(row + local.y + 5u * SIDE, column + local.x + 7u * SIDE, high5.w);
  store(row + local.y + 6u * SIDE, column + local.x + 0u * SIDE, low6.x);
  store(row + local.y + 6u * SIDE, column + local.x + 1u * SIDE, low6.y);
  store(row + local.y + 6u * SIDE, column + local.x + 2u * SIDE, low6.z);
  store(row + local.y + 6u * SIDE, column + local.x + 3u * SIDE, low6.w);
  store(row + local.y + 6u * SIDE, column + local.x + 4u * SIDE, high6.x);
  store(row + local.y + 6u * SIDE, column + local.x + 5u * SIDE, high6.y);
  store(row + local.y + 6u * SIDE, column + local.x + 6u * SIDE, high6.z);
  store(row + local.y + 6u * SIDE, column + local.x + 7u * SIDE, high6.w);
  store(row + local.y + 7u * SIDE, column + local.x + 0u * SIDE, low7.x);
  store(row + local.y + 7u * SIDE, column + local.x + 1u * SIDE, low7.y);
  store(row + local.y + 7u * SIDE, column + local.x + 2u * SIDE, low7.z);
  store(row + local.y + 7u * SIDE, column + local.x + 3u * SIDE, low7.w);
  store(row + local.y + 7u * SIDE, column + local.x + 4u * SIDE, high7.x);
  store(row + local.y + 7u * SIDE, column + local.x + 5u * SIDE, high7.y);
  store(row + local.y + 7u * SIDE, column + local.x + 6u * SIDE, high7.z);
  store(row + local.y + 7u * SIDE, column + local.x + 7u * SIDE, high7.w);
}
