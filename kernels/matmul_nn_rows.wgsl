// dx[R,K] = dy[R,N] w[N,K], or += ; f32 sums: the input gradient of y = x w^T. For a few rows, where reading the
// weights is the whole cost: of 64 invocations, 16 own four neighbouring columns each of four rows, and four of each
// split N between them and add up their parts in workgroup memory. dx is overwritten, or accumulated into when
// params.accumulate is 1.

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

var<workgroup> parts: array<vec4<f32>, 256>; // [4 rows][4 parts of N][16 groups of four columns]

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

@compute @workgroup_size(16, 4)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * 4u;
  let column_groups = params.columns >> 2u;
  let column = min(group.x * 16u + local.x, column_groups - 1u);
  let y_stride = params.y_stride >> 2u;
  let y_column = params.y_column >> 2u;
  let last_row = params.rows - 1u;
  let y0 = (params.y_row + min(row + 0u, last_row)) * y_stride + y_column;
  let y1 = (params.y_row + min(row + 1u, last_row)) * y_stride + y_column;
  let y2 = (params.y_row + min(row + 2u, last_row)) * y_stride + y_column;
  let y3 = (params.y_row + min(row + 3u, last_row)) * y_stride + y_column;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var n = local.y; n < (params.depth >> 2u); n += 4u) {
    let w0 = weights((4u * n + 0u) * column_groups + column);
    let w1 = weights((4u * n + 1u) * column_groups + column);
    let w2 = weights((4u * n + 2u) * column_groups + column);
    let w3 = weights((4u * n + 3u) * column_groups + column);
    let a0 = dy[y0 + n];
    sum0 += a0.x * w0 + a0.y * w1 + a0.z * w2 + a0.w * w3;
    let a1 = dy[y1 + n];
    sum1 += a1.x * w0 + a1.y * w1 + a1.z * w2 + a1.w * w3;
    let a2 = dy[y2 + n];
    sum2 += a2.x * w0 + a2.y * w1 + a2.z * w2 + a2.w * w3;
    let a3 = dy[y3 + n];
    sum3 += a3.x * w0 + a3.y * w1 + a3.z * w2 + a3.w * w3;
  }
  parts[0u + index] = sum0;
  parts[64u + index] = sum1;
  parts[128u + index] = sum2;
  parts[192u + index] = sum3;
  workgroupBarrier();
  // One row of the four for each invocation, so that all of them take part.
  let at = 64u * local.y + local.x;
  let total = parts[at] + parts[at + 16u] + parts[at + 32u] + parts[at + 48u];
  store(row + local.y, (group.x * 16u + local.x) * 4u, total);
}
