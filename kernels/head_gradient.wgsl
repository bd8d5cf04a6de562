// d[r,v] = gradient of the objective with respect to the logits of row r, in place of logits[R,V]; statistics as
// head_reduce writes them.
//   probability 0: sum of coefficient_k at token_k (two terms; token ARGMAX means the row's own arg-max)
//   probability 1: p_t (1[v = t] - p_v) with t = token_0, p = softmax(logits), and the logit of t in picked[r]
// logits are overwritten by d; the padding columns become 0.

const ARGMAX = 0xffffffffu;

struct Params {
  rows: u32, // R
  vocabulary: u32, // V
  stride: u32, // floats from row to row of logits
  grid_x: u32,
  first: u32, // row of statistics for row 0
  first_seed: u32, // entry of `seeds` for row 0
  first_picked: u32, // entry of `picked` for row 0
  probability: u32,
}

struct Seed {
  token0: u32,
  token1: u32,
  coefficient0: f32,
  coefficient1: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> statistics: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> seeds: array<Seed>;
@group(0) @binding(3) var<storage, read> picked: array<f32>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * params.grid_x + group.x) * 64u + lane;
  let row = index / params.stride;
  let token = index % params.stride;
  if (row >= params.rows) {
    return;
  }
  let seed = seeds[params.first_seed + row];
  let row_statistics = statistics[params.first + row];
  let target0 = select(seed.token0, row_statistics.y, seed.token0 == ARGMAX);
  var d = 0.0;
  if (token < params.vocabulary) {
    if (params.probability == 1u) {
      let log_sum = bitcast<f32>(row_statistics.z);
      let target_probability = exp(picked[params.first_picked + row] - log_sum);
      d = target_probability * (select(0.0, 1.0, token == target0) - exp(logits[index] - log_sum));
    } else {
      d = select(0.0, seed.coefficient0, token == target0) + select(0.0, seed.coefficient1, token == seed.token1);
    }
  }
  logits[index] = d;
}
