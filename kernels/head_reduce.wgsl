// Per row of logits[R,V]: statistics[r] = (bits of max, arg-max index, bits of log-sum-exp, number of NaN and
// infinities).
// Smallest index wins ties; a row of -inf has index 0 and log-sum-exp -inf. One workgroup a row. statistics are
// overwritten.

override LANES: u32 = 64u; // invocations of a workgroup, a power of two

struct Params {
  rows: u32, // R
  vocabulary: u32, // V
  stride: u32, // floats from row to row of logits
  grid_x: u32,
  first: u32, // row of statistics for row 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec4<u32>>;

var<workgroup> best: array<f32, LANES>;
var<workgroup> best_index: array<u32, LANES>;
var<workgroup> sums: array<f32, LANES>;
var<workgroup> wrong: array<u32, LANES>;

// The exponent's bits of NaN and of infinities. Compilers may take f32 arithmetic to be finite, so the bits are asked.
const ALL_ONES = 0x7f800000u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * params.grid_x + group.x;
  let live = row < params.rows;
  let base = row * params.stride;
  var largest = -3.4e38; // finite, so that differences from it are never NaN
  var index = 0u;
  var not_finite = 0u;
  if (live) {
    for (var token = lane; token < params.vocabulary; token += LANES) {
      let logit = logits[base + token];
      not_finite += u32((bitcast<u32>(logit) & ALL_ONES) == ALL_ONES);
      if (logit > largest) {
        largest = logit;
        index = token;
      }
    }
  }
  best[lane] = largest;
  best_index[lane] = index;
  wrong[lane] = not_finite;
  workgroupBarrier();
  for (var half = LANES >> 1u; half > 0u; half >>= 1u) {
    if (lane < half) {
      let other = best[lane + half];
      let other_index = best_index[lane + half];
      if (other > best[lane] || (other == best[lane] && other_index < best_index[lane])) {
        best[lane] = other;
        best_index[lane] = other_index;
      }
      wrong[lane] += wrong[lane + half];
    }
    workgroupBarrier();
  }
  let top = best[0];
  var sum = 0.0;
  if (live) {
    for (var token = lane; token < params.vocabulary; token += LANES) {
      sum += exp(logits[base + token] - top);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = LANES >> 1u; half > 0u; half >>= 1u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
  if (live && lane == 0u) {
    // log(0) is not -inf everywhere.
    let log_sum_exp = select(bitcast<u32>(top + log(sums[0])), 0xff800000u, sums[0] == 0.0);
    statistics[params.first + row] = vec4(bitcast<u32>(logits[base + best_index[0]]), best_index[0], log_sum_exp, wrong[0]);
  }
}
