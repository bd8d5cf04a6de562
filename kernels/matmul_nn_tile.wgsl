// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. Tiles of 64 x 64 through workgroup
// memory, N in steps of 16; each of the 256 invocations keeps 4 x 4 sums.
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
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

var<workgroup> y_tile: array<vec4<f32>, 320>; // [64 rows][4 groups of four N, 1 padding]
var<workgroup> w_tile: array<vec4<f32>, 256>; // [16 rows of w][16 groups of four columns]

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

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * 64u;
  let column = group.x * 64u;
  let load_row = index >> 2u;
  let load_n = (index & 3u) * 4u;
  let y_at = (params.y_row + min(row + load_row, params.rows - 1u)) * (params.y_stride >> 2u) + (params.y_column >> 2u);
  let y_slot = local.y * 20u;
  let w_stride = params.columns >> 2u;
  let w_at = min((column >> 2u) + local.x, w_stride - 1u) + local.y * w_stride;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var n = 0u; n < params.depth; n += 16u) {
    var a = vec4<f32>();
    var b = vec4<f32>();
    if (n + load_n < params.depth) {
      a = dy[y_at + ((n + load_n) >> 2u)];
    }
    if (n + local.y < params.depth) {
      b = weights(w_at + n * w_stride);
    }
    workgroupBarrier();
    y_tile[load_row * 5u + (load_n >> 2u)] = a;
    w_tile[index] = b;
    workgroupBarrier();
    let a00 = y_tile[y_slot + 0u];
    let a01 = y_tile[y_slot + 5u];
    let a02 = y_tile[y_slot + 10u];
    let a03 = y_tile[y_slot + 15u];
    let b00 = w_tile[local.x + 0u];
    let b01 = w_tile[local.x + 16u];
    let b02 = w_tile[local.x + 32u];
    let b03 = w_tile[local.x + 48u];
    sum0 += a00.x * b00 + a00.y * b01 + a00.z * b02 + a00.w * b03;
    sum1 += a01.x * b00 + a01.y * b01 + a01.z * b02 + a01.w * b03;
    sum2 += a02.x * b00 + a02.y * b01 + a02.z * b02 + a02.w * b03;
    sum3 += a03.x * b00 + a03.y * b01 + a03.z * b02 + a03.w * b03;
    let a10 = y_tile[y_slot + 1u];
    let a11 = y_tile[y_slot + 6u];
    let a12 = y_tile[y_slot + 11u];
    let a13 = y_tile[y_slot + 16u];
    let b10 = w_tile[local.x + 64u];
    let b11 = w_tile[local.x + 80u];
    let b12 = w_tile[local.x + 96u];
    let b13 = w_tile[local.x + 112u];
    sum0 += a10.x * b10 + a10.y * b11 + a10.z * b12 + a10.w * b13;
    sum1 += a11.x * b10 + a11.y * b11 + a11.z * b12 + a11.w * b13;
    sum2 += a12.x * b10 + a12.y * b11 + a12.z * b12 + a12.w * b13;
    sum3 += a13.x * b10 + a13.y * b11 + a13.z * b12 + a13.w * b13;
    let a20 = y_tile[y_slot + 2u];
    let a21 = y_tile[y_slot + 7u];
    let a22 = y_tile[y_slot + 12u];
    let a23 = y_tile[y_slot + 17u];
    let b20 = w_tile[local.x + 128u];
    let b21 = w_tile[local.x + 144u];
    let b22 = w_tile[local.x + 160u];
    let b23 = w_tile[local.x + 176u];
    sum0 += a20.x * b20 + a20.y * b21 + a20.z * b22 + a20.w * b23;
    sum1 += a21.x * b20 + a21.y * b21 + a21.z * b22 + a21.w * b23;
    sum2 += a22.x * b20 + a22.y * b21 + a22.z * b22 + a22.w * b23;
    sum3 += a23.x * b20 + a23.y * b21 + a23.z * b22 + a23.w * b23;
    let a30 = y_tile[y_slot + 3u];
    let a31 = y_tile[y_slot + 8u];
    let a32 = y_tile[y_slot + 13u];
    let a33 = y_tile[y_slot + 18u];
    let b30 = w_tile[local.x + 192u];
    let b31 = w_tile[local.x + 208u];
    let b32 = w_tile[local.x + 224u];
    let b33 = w_tile[local.x + 240u];
    sum0 += a30.x * b30 + a30.y * b31 + a30.z * b32 + a30.w * b33;
    sum1 += a31.x * b30 + a31.y * b31 + a31.z * b32 + a31.w * b33;
    sum2 += a32.x * b30 + a32.y * b31 + a32.z * b32 + a32.w * b33;
    sum3 += a33.x * b30 + a33.y * b31 + a33.z * b32 + a33.w * b33;
  }
  store(row + local.y * 4u + 0u, column + local.x * 4u, sum0);
  store(row + local.y * 4u + 1u, column + local.x * 4u, sum1);
  store(row + local.y * 4u + 2u, column + local.x * 4u, sum2);
  store(row + local.y * 4u + 3u, column + local.x * 4u, sum3);
}
