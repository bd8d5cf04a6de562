// scores[pair,H] += sum over the pair's variant rows r of weight_r dh[r] factor_r, with dh = dy[r,D] w[D,H]: the input
// gradient of the down projection and the Integrated Gradients sum over path nodes and positions in one kernel, so that
// dh is never in memory.
// factor = silu'(alpha g) g u for gate neurons (alpha u = u), silu(g) u for up neurons.  arXiv:2507.09185,
// arXiv:1703.01365
// Tiles through workgroup memory as in matmul_nn_tile: 64 lanes own 32 neurons of one pair and walk its rows in blocks
// of 32.
// scores are accumulated into.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16

struct Params {
  columns: u32, // H, a multiple of 8: neurons
  depth: u32, // D, or as many rows of w as this part of it holds; a multiple of 8
  y_row: u32, // row of dy that belongs to variant 0
  y_stride: u32, // floats from row to row of dy, a multiple of 4
  g_stride: u32, // floats from row to row of g and u, a multiple of 4
  site: u32, // 0 gate, 1 up
  y_column: u32, // column of dy that belongs to row 0 of w, a multiple of 8
}

struct Variant {
  source: u32, // row of g and u
  alpha_gate: f32,
  alpha_up: f32,
  weight: f32, // quadrature weight; 0 for rows that do not count
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> u: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variants: array<Variant>;
@group(0) @binding(6) var<storage, read> pairs: array<vec4<u32>>; // first variant, number of variants, row of scores
@group(0) @binding(7) var<storage, read_write> scores: array<vec4<f32>>;

var<workgroup> y_tile: array<vec4<f32>, 160>; // [32 rows][4 groups of four D, 1 padding]
var<workgroup> w_tile: array<vec4<f32>, 128>; // [16 rows of w][8 groups of four columns]
var<workgroup> totals: array<vec4<f32>, 64>;

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

// d h / d alpha of one variant at four neurons: the factor of dh in the integrand.
fn factor(variant: Variant, column: u32) -> vec4<f32> {
  let at = (variant.source * params.g_stride + column) >> 2u;
  let z = variant.alpha_gate * g[at];
  let sigmoid = 1.0 / (1.0 + exp(-z));
  if (params.site == 1u) {
    return variant.weight * z * sigmoid * u[at];
  }
  return variant.weight * sigmoid * (1.0 + z * (1.0 - sigmoid)) * g[at] * variant.alpha_up * u[at];
}

@compute @workgroup_size(8, 8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let pair = pairs[group.y];
  let column = group.x * 32u + local.x * 4u;
  let y_stride = params.y_stride >> 2u;
  let w_stride = params.columns >> 2u;
  let safe_column = min(column, params.columns - 4u);
  let w_column = safe_column >> 2u;
  let y_slot = local.y * 20u;
  var total = vec4<f32>();
  for (var first = 0u; first < pair.y; first += 32u) {
    let last = pair.y - 1u;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var n = 0u; n < params.depth; n += 16u) {
      workgroupBarrier();
      for (var half = 0u; half < 2u; half += 1u) {
        let slot = index + half * 64u;
        let row = slot >> 2u;
        let step = n + (slot & 3u) * 4u;
        var a = vec4<f32>();
        if (step < params.depth) {
          a = dy[(params.y_row + pair.x + min(first + row, last)) * y_stride + ((params.y_column + step) >> 2u)];
        }
        y_tile[row * 5u + (slot & 3u)] = a;
        let w_row = n + (slot >> 3u);
        var b = vec4<f32>();
        if (w_row < params.depth) {
          b = weights(w_row * w_stride + w_column);
        }
        w_tile[slot] = b;
      }
      workgroupBarrier();
      let a00 = y_tile[y_slot + 0u];
      let a01 = y_tile[y_slot + 5u];
      let a02 = y_tile[y_slot + 10u];
      let a03 = y_tile[y_slot + 15u];
      let b00 = w_tile[local.x + 0u];
      let b01 = w_tile[local.x + 8u];
      let b02 = w_tile[local.x + 16u];
      let b03 = w_tile[local.x + 24u];
      sum0 += a00.x * b00 + a00.y * b01 + a00.z * b02 + a00.w * b03;
      sum1 += a01.x * b00 + a01.y * b01 + a01.z * b02 + a01.w * b03;
      sum2 += a02.x * b00 + a02.y * b01 + a02.z * b02 + a02.w * b03;
      sum3 += a03.x * b00 + a03.y * b01 + a03.z * b02 + a03.w * b03;
      let a10 = y_tile[y_slot + 1u];
      let a11 = y_tile[y_slot + 6u];
      let a12 = y_tile[y_slot + 11u];
      let a13 = y_tile[y_slot + 16u];
      let b10 = w_tile[local.x + 32u];
      let b11 = w_tile[local.x + 40u];
      let b12 = w_tile[local.x + 48u];
      let b13 = w_tile[local.x + 56u];
      sum0 += a10.x * b10 + a10.y * b11 + a10.z * b12 + a10.w * b13;
      sum1 += a11.x * b10 + a11.y * b11 + a11.z * b12 + a11.w * b13;
      sum2 += a12.x * b10 + a12.y * b11 + a12.z * b12 + a12.w * b13;
      sum3 += a13.x * b10 + a13.y * b11 + a13.z * b12 + a13.w * b13;
      let a20 = y_tile[y_slot + 2u];
      let a21 = y_tile[y_slot + 7u];
      let a22 = y_tile[y_slot + 12u];
      let a23 = y_tile[y_slot + 17u];
      let b20 = w_tile[local.x + 64u];
      let b21 = w_tile[local.x + 72u];
      let b22 = w_tile[local.x + 80u];
      let b23 = w_tile[local.x + 88u];
      sum0 += a20.x * b20 + a20.y * b21 + a20.z * b22 + a20.w * b23;
      sum1 += a21.x * b20 + a21.y * b21 + a21.z * b22 + a21.w * b23;
      sum2 += a22.x * b20 + a22.y * b21 + a22.z * b22 + a22.w * b23;
      sum3 += a23.x * b20 + a23.y * b21 + a23.z * b22 + a23.w * b23;
      let a30 = y_tile[y_slot + 3u];
      let a31 = y_tile[y_slot + 8u];
      let a32 = y_tile[y_slot + 13u];
      let a33 = y_tile[y_slot + 18u];
      let b30 = w_tile[local.x + 96u];
      let b31 = w_tile[local.x + 104u];
      let b32 = w_tile[local.x + 112u];
      let b33 = w_tile[local.x + 120u];
      sum0 += a30.x * b30 + a30.y * b31 + a30.z * b32 + a30.w * b33;
      sum1 += a31.x * b30 + a31.y * b31 + a31.z * b32 + a31.w * b33;
      sum2 += a32.x * b30 + a32.y * b31 + a32.z * b32 + a32.w * b33;
      sum3 += a33.x * b30 + a33.y * b31 + a33.z * b32 + a33.w * b33;
    }
    let row = first + local.y * 4u;
    if (row + 0u <= last) {
      total += sum0 * factor(variants[pair.x + row + 0u], safe_column);
    }
    if (row + 1u <= last) {
      total += sum1 * factor(variants[pair.x + row + 1u], safe_column);
    }
    if (row + 2u <= last) {
      total += sum2 * factor(variants[pair.x + row + 2u], safe_column);
    }
    if (row + 3u <= last) {
      total += sum3 * factor(variants[pair.x + row + 3u], safe_column);
    }
  }
  totals[index] = total;
  workgroupBarrier();
  if (local.y == 0u && column < params.columns) {
    for (var row = 1u; row < 8u; row += 1u) {
      total += totals[local.x + row * 8u];
    }
    scores[pair.z * w_stride + w_column] += total;
  }
}
