// scores[pair,H] += sum over the pair's variant rows r of weight_r dh[r] factor_r, with dh = dy[r,D] w[D,H]: the input gradient of
// the down projection and the Integrated Gradients sum over path nodes and positions in one kernel, so that dh is never in memory.
// factor = silu'(alpha g) g u for gate neurons (alpha u = u), silu(g) u for up neurons.  arXiv:2507.09185, arXiv:1703.01365
// Register tile as in matmul_nn_subgroup: eight lanes own 32 neurons of one pair and walk its rows in blocks of 16.
// scores are accumulated into. w holds rows w_row.. of the matrix in one buffer; a split matrix takes matmul_nn and attribution_fold.

override WEIGHT_TYPE: u32 = 0u; // 0 f32, 1 bf16, 2 f16

struct Params {
  columns: u32, // H, a multiple of 8: neurons
  depth: u32, // D, a multiple of 8
  y_row: u32, // row of dy that belongs to variant 0
  y_stride: u32, // floats from row to row of dy, a multiple of 4
  g_stride: u32, // floats from row to row of g and u, a multiple of 4
  site: u32, // 0 gate, 1 up
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

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = pairs[group.y];
  let column = group.x * 32u + lane * 4u;
  let y_stride = params.y_stride >> 2u;
  let w_stride = params.columns >> 2u;
  let safe_column = min(column, params.columns - 4u);
  let w_column = safe_column >> 2u;
  var total = vec4<f32>();
  for (var first = 0u; first < pair.y; first += 16u) {
    let last = pair.y - 1u;
    let y_low = (params.y_row + pair.x + min(first + lane, last)) * y_stride;
    let y_high = (params.y_row + pair.x + min(first + lane + 8u, last)) * y_stride;
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
      let w_at = w_column + n * w_stride;
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
    if (first + 0u <= last) {
      total += sum0 * factor(variants[pair.x + first + 0u], safe_column);
    }
    if (first + 1u <= last) {
      total += sum1 * factor(variants[pair.x + first + 1u], safe_column);
    }
    if (first + 2u <= last) {
      total += sum2 * factor(variants[pair.x + first + 2u], safe_column);
    }
    if (first + 3u <= last) {
      total += sum3 * factor(variants[pair.x + first + 3u], safe_column);
    }
    if (first + 4u <= last) {
      total += sum4 * factor(variants[pair.x + first + 4u], safe_column);
    }
    if (first + 5u <= last) {
      total += sum5 * factor(variants[pair.x + first + 5u], safe_column);
    }
    if (first + 6u <= last) {
      total += sum6 * factor(variants[pair.x + first + 6u], safe_column);
    }
    if (first + 7u <= last) {
      total += sum7 * factor(variants[pair.x + first + 7u], safe_column);
    }
    if (first + 8u <= last) {
      total += sum8 * factor(variants[pair.x + first + 8u], safe_column);
    }
    if (first + 9u <= last) {
      total += sum9 * factor(variants[pair.x + first + 9u], safe_column);
    }
    if (first + 10u <= last) {
      total += sum10 * factor(variants[pair.x + first + 10u], safe_column);
    }
    if (first + 11u <= last) {
      total += sum11 * factor(variants[pair.x + first + 11u], safe_column);
    }
    if (first + 12u <= last) {
      total += sum12 * factor(variants[pair.x + first + 12u], safe_column);
    }
    if (first + 13u <= last) {
      total += sum13 * factor(variants[pair.x + first + 13u], safe_column);
    }
    if (first + 14u <= last) {
      total += sum14 * factor(variants[pair.x + first + 14u], safe_column);
    }
    if (first + 15u <= last) {
      total += sum15 * factor(variants[pair.x + first + 15u], safe_column);
    }
  }
  if (column < params.columns) {
    scores[pair.z * w_stride + w_column] += total;
  }
}
