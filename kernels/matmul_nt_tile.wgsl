// y[R,N] = x[R,K] w[N,K]^T, or += ; f32 sums. Tiles of 64 x 64 through workgroup memory, K in steps of 16; each of the
// 256 invocations keeps 4 x 4 sums. Tile rows run along K and are padded to five vec4 so that neighbouring rows use
// other banks.
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

var<workgroup> x_tile: array<vec4<f32>, 320>; // [64 rows][4 groups of four K, 1 padding]
var<workgroup> w_tile: array<vec4<f32>, 320>;

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

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * 64u;
  let column = group.x * 64u;
  // Each invocation brings four neighbouring K values of one row of x and of one row of w.
  let load_row = index >> 2u;
  let load_k = index & 3u;
  let steps = params.depth >> 2u;
  let x_at = (params.x_row + min(row + load_row, params.rows - 1u)) * (params.x_stride >> 2u);
  let w_at = min(column + load_row, params.columns - 1u) * steps;
  let slot = load_row * 5u + load_k;
  let x_slot = local.y * 20u;
  let w_slot = local.x * 20u;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k = 0u; k < steps; k += 4u) {
    var a = vec4<f32>();
    var b = vec4<f32>();
    if (k + load_k < steps) {
      a = x[x_at + k + load_k];
      b = weights(w_at + k + load_k);
    }
    workgroupBarrier();
    x_tile[slot] = a;
    w_tile[slot] = b;
    workgroupBarrier();
    let a00 = x_tile[x_slot + 0u];
    let a01 = x_tile[x_slot + 5u];
    let a02 = x_tile[x_slot + 10u];
    let a03 = x_tile[x_slot + 15u];
    let b00 = w_tile[w_slot + 0u];
    let b01 = w_tile[w_slot + 5u];
    let b02 = w_tile[w_slot + 10u];
    let b03 = w_tile[w_slot + 15u];
    sum0 += vec4(dot(a00, b00), dot(a00, b01), dot(a00, b02), dot(a00, b03));
    sum1 += vec4(dot(a01, b00), dot(a01, b01), dot(a01, b02), dot(a01, b03));
    sum2 += vec4(dot(a02, b00), dot(a02, b01), dot(a02, b02), dot(a02, b03));
    sum3 += vec4(dot(a03, b00), dot(a03, b01), dot(a03, b02), dot(a03, b03));
    let a10 = x_tile[x_slot + 1u];
    let a11 = x_tile[x_slot + 6u];
    let a12 = x_tile[x_slot + 11u];
    let a13 = x_tile[x_slot + 16u];
    let b10 = w_tile[w_slot + 1u];
    let b11 = w_tile[w_slot + 6u];
    let b12 = w_tile[w_slot + 11u];
    let b13 = w_tile[w_slot + 16u];
    sum0 += vec4(dot(a10, b10), dot(a10, b11), dot(a10, b12), dot(a10, b13));
    sum1 += vec4(dot(a11, b10), dot(a11, b11), dot(a11, b12), dot(a11, b13));
    sum2 += vec4(dot(a12, b10), dot(a12, b11), dot(a12, b12), dot(a12, b13));
    sum3 += vec4(dot(a13, b10), dot(a13, b11), dot(a13, b12), dot(a13, b13));
    let a20 = x_tile[x_slot + 2u];
    let a21 = x_tile[x_slot + 7u];
    let a22 = x_tile[x_slot + 12u];
    let a23 = x_tile[x_slot + 17u];
    let b20 = w_tile[w_slot + 2u];
    let b21 = w_tile[w_slot + 7u];
    let b22 = w_tile[w_slot + 12u];
    let b23 = w_tile[w_slot + 17u];
    sum0 += vec4(dot(a20, b20), dot(a20, b21), dot(a20, b22), dot(a20, b23));
    sum1 += vec4(dot(a21, b20), dot(a21, b21), dot(a21, b22), dot(a21, b23));
    sum2 += vec4(dot(a22, b20), dot(a22, b21), dot(a22, b22), dot(a22, b23));
    sum3 += vec4(dot(a23, b20), dot(a23, b21), dot(a23, b22), dot(a23, b23));
    let a30 = x_tile[x_slot + 3u];
    let a31 = x_tile[x_slot + 8u];
    let a32 = x_tile[x_slot + 13u];
    let a33 = x_tile[x_slot + 18u];
    let b30 = w_tile[w_slot + 3u];
    let b31 = w_tile[w_slot + 8u];
    let b32 = w_tile[w_slot + 13u];
    let b33 = w_tile[w_slot + 18u];
    sum0 += vec4(dot(a30, b30), dot(a30, b31), dot(a30, b32), dot(a30, b33));
    sum1 += vec4(dot(a31, b30), dot(a31, b31), dot(a31, b32), dot(a31, b33));
    sum2 += vec4(dot(a32, b30), dot(a32, b31), dot(a32, b32), dot(a32, b33));
    sum3 += vec4(dot(a33, b30), dot(a33, b31), dot(a33, b32), dot(a33, b33));
  }
  store(row + local.y * 4u + 0u, column + local.x * 4u, sum0);
  store(row + local.y * 4u + 1u, column + local.x * 4u, sum1);
  store(row + local.y * 4u + 2u, column + local.x * 4u, sum2);
  store(row + local.y * 4u + 3u, column + local.x * 4u, sum3);
}
