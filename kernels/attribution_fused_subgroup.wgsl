// scores[pair,H] += sum over the pair's variant rows r of weight_r dh[r] factor_r, with dh = dy[r,D] w[D,H]: the input
// gradient of the down projection and the Integrated Gradients sum over path nodes and positions in one kernel, so that
// dh is never in memory.
// factor = silu'(alpha g) g u for gate neurons (alpha u = u), silu(g) u for up neurons.  arXiv:2507.09185,
// arXiv:1703.01365
// Register tile and weights in a texture as in matmul_nn_subgroup: eight lanes own 64 neurons of one pair and walk its
// rows in blocks of 16. Needs subgroups of at least eight lanes. scores are accumulated into.

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
@group(0) @binding(2) var w: texture_2d<u32>; // [D][H], four f32 or eight half-precision weights a texel
@group(0) @binding(3) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> u: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variants: array<Variant>;
@group(0) @binding(6) var<storage, read> pairs: array<vec4<u32>>; // first variant, number of variants, row of scores
@group(0) @binding(7) var<storage, read_write> scores: array<vec4<f32>>;

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

// Eight neighbouring weights of one row; `column` counts groups of eight.
struct Weights {
  left: vec4<f32>,
  right: vec4<f32>,
}

fn weights(column: u32, row: u32) -> Weights {
  if (WEIGHT_TYPE == 0u) {
    return Weights(
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * column, row), 0)),
      bitcast<vec4<f32>>(textureLoad(w, vec2(2u * column + 1u, row), 0)),
    );
  }
  let bits = textureLoad(w, vec2(column, row), 0);
  return Weights(low(bits), high(bits));
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

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = pairs[group.y];
  let column = group.x * 64u + lane * 8u;
  let y_stride = params.y_stride >> 2u;
  let y_column = params.y_column >> 2u;
  let safe_column = min(column, params.columns - 8u);
  let w_column = safe_column >> 3u;
  var total_left = vec4<f32>();
  var total_right = vec4<f32>();
  for (var first = 0u; first < pair.y; first += 16u) {
    let last = pair.y - 1u;
    let y_low = (params.y_row + pair.x + min(first + lane, last)) * y_stride + y_column;
    let y_high = (params.y_row + pair.x + min(first + lane + 8u, last)) * y_stride + y_column;
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
    for (var n = 0u; n < params.depth; n += 4u) {
      let ya = dy[y_low + (n >> 2u)];
      let yb = dy[y_high + (n >> 2u)];
      let w0 = weights(w_column, n + 0u);
      let w1 = weights(w_column, n + 1u);
      let w2 = weights(w_column, n + 2u);
      let w3 = weights(w_column, n + 3u);
      let p0 = subgroupBroadcast(ya, 0u);
      left0 += p0.x * w0.left + p0.y * w1.left + p0.z * w2.left + p0.w * w3.left;
      right0 += p0.x * w0.right + p0.y * w1.right + p0.z * w2.right + p0.w * w3.right;
      let p1 = subgroupBroadcast(ya, 1u);
      left1 += p1.x * w0.left + p1.y * w1.left + p1.z * w2.left + p1.w * w3.left;
      right1 += p1.x * w0.right + p1.y * w1.right + p1.z * w2.right + p1.w * w3.right;
      let p2 = subgroupBroadcast(ya, 2u);
      left2 += p2.x * w0.left + p2.y * w1.left + p2.z * w2.left + p2.w * w3.left;
      right2 += p2.x * w0.right + p2.y * w1.right + p2.z * w2.right + p2.w * w3.right;
      let p3 = subgroupBroadcast(ya, 3u);
      left3 += p3.x * w0.left + p3.y * w1.left + p3.z * w2.left + p3.w * w3.left;
      right3 += p3.x * w0.right + p3.y * w1.right + p3.z * w2.right + p3.w * w3.right;
      let p4 = subgroupBroadcast(ya, 4u);
      left4 += p4.x * w0.left + p4.y * w1.left + p4.z * w2.left + p4.w * w3.left;
      right4 += p4.x * w0.right + p4.y * w1.right + p4.z * w2.right + p4.w * w3.right;
      let p5 = subgroupBroadcast(ya, 5u);
      left5 += p5.x * w0.left + p5.y * w1.left + p5.z * w2.left + p5.w * w3.left;
      right5 += p5.x * w0.right + p5.y * w1.right + p5.z * w2.right + p5.w * w3.right;
      let p6 = subgroupBroadcast(ya, 6u);
      left6 += p6.x * w0.left + p6.y * w1.left + p6.z * w2.left + p6.w * w3.left;
      right6 += p6.x * w0.right + p6.y * w1.right + p6.z * w2.right + p6.w * w3.right;
      let p7 = subgroupBroadcast(ya, 7u);
      left7 += p7.x * w0.left + p7.y * w1.left + p7.z * w2.left + p7.w * w3.left;
      right7 += p7.x * w0.right + p7.y * w1.right + p7.z * w2.right + p7.w * w3.right;
      let p8 = subgroupBroadcast(yb, 0u);
      left8 += p8.x * w0.left + p8.y * w1.left + p8.z * w2.left + p8.w * w3.left;
      right8 += p8.x * w0.right + p8.y * w1.right + p8.z * w2.right + p8.w * w3.right;
      let p9 = subgroupBroadcast(yb, 1u);
      left9 += p9.x * w0.left + p9.y * w1.left + p9.z * w2.left + p9.w * w3.left;
      right9 += p9.x * w0.right + p9.y * w1.right + p9.z * w2.right + p9.w * w3.right;
      let p10 = subgroupBroadcast(yb, 2u);
      left10 += p10.x * w0.left + p10.y * w1.left + p10.z * w2.left + p10.w * w3.left;
      right10 += p10.x * w0.right + p10.y * w1.right + p10.z * w2.right + p10.w * w3.right;
      let p11 = subgroupBroadcast(yb, 3u);
      left11 += p11.x * w0.left + p11.y * w1.left + p11.z * w2.left + p11.w * w3.left;
      right11 += p11.x * w0.right + p11.y * w1.right + p11.z * w2.right + p11.w * w3.right;
      let p12 = subgroupBroadcast(yb, 4u);
      left12 += p12.x * w0.left + p12.y * w1.left + p12.z * w2.left + p12.w * w3.left;
      right12 += p12.x * w0.right + p12.y * w1.right + p12.z * w2.right + p12.w * w3.right;
      let p13 = subgroupBroadcast(yb, 5u);
      left13 += p13.x * w0.left + p13.y * w1.left + p13.z * w2.left + p13.w * w3.left;
      right13 += p13.x * w0.right + p13.y * w1.right + p13.z * w2.right + p13.w * w3.right;
      let p14 = subgroupBroadcast(yb, 6u);
      left14 += p14.x * w0.left + p14.y * w1.left + p14.z * w2.left + p14.w * w3.left;
      right14 += p14.x * w0.right + p14.y * w1.right + p14.z * w2.right + p14.w * w3.right;
      let p15 = subgroupBroadcast(yb, 7u);
      left15 += p15.x * w0.left + p15.y * w1.left + p15.z * w2.left + p15.w * w3.left;
      right15 += p15.x * w0.right + p15.y * w1.right + p15.z * w2.right + p15.w * w3.right;
    }
    if (first + 0u <= last) {
      total_left += left0 * factor(variants[pair.x + first + 0u], safe_column);
      total_right += right0 * factor(variants[pair.x + first + 0u], safe_column + 4u);
    }
    if (first + 1u <= last) {
      total_left += left1 * factor(variants[pair.x + first + 1u], safe_column);
      total_right += right1 * factor(variants[pair.x + first + 1u], safe_column + 4u);
    }
    if (first + 2u <= last) {
      total_left += left2 * factor(variants[pair.x + first + 2u], safe_column);
      total_right += right2 * factor(variants[pair.x + first + 2u], safe_column + 4u);
    }
    if (first + 3u <= last) {
      total_left += left3 * factor(variants[pair.x + first + 3u], safe_column);
      total_right += right3 * factor(variants[pair.x + first + 3u], safe_column + 4u);
    }
    if (first + 4u <= last) {
      total_left += left4 * factor(variants[pair.x + first + 4u], safe_column);
      total_right += right4 * factor(variants[pair.x + first + 4u], safe_column + 4u);
    }
    if (first + 5u <= last) {
      total_left += left5 * factor(variants[pair.x + first + 5u], safe_column);
      total_right += right5 * factor(variants[pair.x + first + 5u], safe_column + 4u);
    }
    if (first + 6u <= last) {
      total_left += left6 * factor(variants[pair.x + first + 6u], safe_column);
      total_right += right6 * factor(variants[pair.x + first + 6u], safe_column + 4u);
    }
    if (first + 7u <= last) {
      total_left += left7 * factor(variants[pair.x + first + 7u], safe_column);
      total_right += right7 * factor(variants[pair.x + first + 7u], safe_column + 4u);
    }
    if (first + 8u <= last) {
      total_left += left8 * factor(variants[pair.x + first + 8u], safe_column);
      total_right += right8 * factor(variants[pair.x + first + 8u], safe_column + 4u);
    }
    if (first + 9u <= last) {
      total_left += left9 * factor(variants[pair.x + first + 9u], safe_column);
      total_right += right9 * factor(variants[pair.x + first + 9u], safe_column + 4u);
    }
    if (first + 10u <= last) {
      total_left += left10 * factor(variants[pair.x + first + 10u], safe_column);
      total_right += right10 * factor(variants[pair.x + first + 10u], safe_column + 4u);
    }
    if (first + 11u <= last) {
      total_left += left11 * factor(variants[pair.x + first + 11u], safe_column);
      total_right += right11 * factor(variants[pair.x + first + 11u], safe_column + 4u);
    }
    if (first + 12u <= last) {
      total_left += left12 * factor(variants[pair.x + first + 12u], safe_column);
      total_right += right12 * factor(variants[pair.x + first + 12u], safe_column + 4u);
    }
    if (first + 13u <= last) {
      total_left += left13 * factor(variants[pair.x + first + 13u], safe_column);
      total_right += right13 * factor(variants[pair.x + first + 13u], safe_column + 4u);
    }
    if (first + 14u <= last) {
      total_left += left14 * factor(variants[pair.x + first + 14u], safe_column);
      total_right += right14 * factor(variants[pair.x + first + 14u], safe_column + 4u);
    }
    if (first + 15u <= last) {
      total_left += left15 * factor(variants[pair.x + first + 15u], safe_column);
      total_right += right15 * factor(variants[pair.x + first + 15u], safe_column + 4u);
    }
  }
  if (column < params.columns) {
    let at = (pair.z * params.columns + column) >> 2u;
    scores[at] += total_left;
    scores[at + 1u] += total_right;
  }
}
