// scores[pair,H] += sum over the pair's variant rows r of weight_r d[r] factor_r: the Integrated Gradients sum over
// path nodes and positions, from a gradient d that is in memory.  arXiv:2507.09185, arXiv:1703.01365
// Gate and up neurons: d = dh, factor as in attribution_fused_*. Output dimensions (site 2): d = gradient of the
// layer's output, factor = the block's output, given as g.
// One invocation owns four neurons of one pair. scores are accumulated into.

struct Params {
  columns: u32, // floats from row to row of scores, d, g and u, a multiple of 8
  d_row: u32, // row of d that belongs to variant 0
  site: u32, // 0 gate, 1 up, 2 down
}

struct Variant {
  source: u32, // row of g and u
  alpha_gate: f32,
  alpha_up: f32,
  weight: f32, // quadrature weight
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> u: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> variants: array<Variant>;
@group(0) @binding(5) var<storage, read> pairs: array<vec4<u32>>; // first variant, number of variants, row of scores
@group(0) @binding(6) var<storage, read_write> scores: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = pairs[group.y];
  let stride = params.columns >> 2u;
  let column = group.x * 64u + lane;
  if (column >= stride) {
    return;
  }
  var total = vec4<f32>();
  for (var i = 0u; i < pair.y; i += 1u) {
    let variant = variants[pair.x + i];
    let at = variant.source * stride + column;
    let gradient = d[(params.d_row + pair.x + i) * stride + column];
    if (params.site == 2u) {
      total += variant.weight * gradient * g[at];
    } else {
      let z = variant.alpha_gate * g[at];
      let sigmoid = 1.0 / (1.0 + exp(-z));
      if (params.site == 1u) {
        total += variant.weight * gradient * (z * sigmoid) * u[at];
      } else {
        total += variant.weight * gradient * (sigmoid * (1.0 + z * (1.0 - sigmoid))) * g[at] * (variant.alpha_up * u[at]);
      }
    }
  }
  scores[pair.z * stride + column] += total;
}
