// dk and dv of attention:  dv[c] = sum_r p_rc do[r],  dk[c] = scale sum_r p_rc (do[r] . v[c] - delta[r]) q[r], over the
// queries r that see row c and all query heads that share the key/value head: a workgroup owns its rows, so nothing is
// added atomically.
// arXiv:2205.14135
// One workgroup a (tile of 16 own rows, key/value head); four invocations share a row. dkv is overwritten.
// `table` holds tiles of one vec4 from params.first_tile on: (first own row, own rows, first query, queries), and the
// queries as in attention.wgsl.

override CHUNKS: u32 = 4u; // groups of four columns an invocation owns: ceil(K / 16), at most 8

struct Params {
  width: u32, // K, a multiple of 4, at most 128
  query_heads: u32, // Q
  query_stride: u32, // vec4 from row to row of q and o, at least Q*K/4
  key_heads: u32, // G
  first_tile: u32,
  first_query: u32,
  scale: f32,
  query_base: u32, // row of q and lse that belongs to row 0 of d_o and delta
  key_base: u32, // row of kv that belongs to row 0 of dkv
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>; // [R', 2*G*K]: keys, then values
@group(0) @binding(3) var<storage, read> lse: array<f32>; // [R, Q]
@group(0) @binding(4) var<storage, read> d_o: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> dkv: array<vec4<f32>>;

var<workgroup> weights: array<vec4<f32>, 64>; // p, [16 rows][4 groups of four queries]
var<workgroup> shares: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let tile = table[params.first_tile + group.x];
  let lane = index & 3u;
  let slot = index >> 2u;
  let columns = params.width >> 2u;
  let row = tile.x + min(slot, tile.y - 1u);
  let kv_stride = 2u * params.key_heads * columns;
  let k_at = row * kv_stride + group.y * columns;
  let v_at = k_at + params.key_heads * columns;
  let shared_heads = params.query_heads / params.key_heads;
  var dk0 = vec4<f32>();
  var dv0 = vec4<f32>();
  var dk1 = vec4<f32>();
  var dv1 = vec4<f32>();
  var dk2 = vec4<f32>();
  var dv2 = vec4<f32>();
  var dk3 = vec4<f32>();
  var dv3 = vec4<f32>();
  var dk4 = vec4<f32>();
  var dv4 = vec4<f32>();
  var dk5 = vec4<f32>();
  var dv5 = vec4<f32>();
  var dk6 = vec4<f32>();
  var dv6 = vec4<f32>();
  var dk7 = vec4<f32>();
  var dv7 = vec4<f32>();
  for (var member = 0u; member < shared_heads; member += 1u) {
    let head = group.y * shared_heads + member;
    for (var first = 0u; first < tile.w; first += 16u) {
      var q_rows: vec4<u32>;
      var q_at: vec4<u32>;
      var seen: vec4<bool>;
      for (var i = 0u; i < 4u; i += 1u) {
        let query = first + lane * 4u + i;
        let q_row = tile.z + min(query, tile.w - 1u);
        let sight = table[params.first_query + q_row];
        q_rows[i] = q_row;
        q_at[i] = q_row * params.query_stride + head * columns;
        seen[i] = query < tile.w && row >= sight.x && row < sight.y;
      }
      let d_rows = (q_rows - vec4(params.query_base)) * params.query_heads + vec4(head);
      let d_at = (q_rows - vec4(params.query_base)) * params.query_stride + vec4(head * columns);
      var s = vec4<f32>();
      var dp = vec4<f32>();
      for (var c = 0u; c < columns; c += 1u) {
        let a = kv[k_at + c];
        let b = kv[v_at + c];
        s += vec4(dot(a, q[q_at.x + c]), dot(a, q[q_at.y + c]), dot(a, q[q_at.z + c]), dot(a, q[q_at.w + c]));
        dp += vec4(dot(b, d_o[d_at.x + c]), dot(b, d_o[d_at.y + c]), dot(b, d_o[d_at.z + c]), dot(b, d_o[d_at.w + c]));
      }
      let log_sums = q_rows * params.query_heads + vec4(head);
      let log_sum = vec4(lse[log_sums.x], lse[log_sums.y], lse[log_sums.z], lse[log_sums.w]);
      let row_delta = vec4(delta[d_rows.x], delta[d_rows.y], delta[d_rows.z], delta[d_rows.w]);
      let p = select(vec4<f32>(), exp(s * params.scale - log_sum), seen);
      workgroupBarrier();
      weights[index] = p;
      shares[index] = p * (dp - row_delta) * params.scale;
      workgroupBarrier();
      let count = min(16u, tile.w - first);
      for (var i = 0u; i < count; i += 1u) {
        let weight = weights[slot * 4u + (i >> 2u)][i & 3u];
        let share = shares[slot * 4u + (i >> 2u)][i & 3u];
        let query = tile.z + first + i;
        let query_at = query * params.query_stride + head * columns;
        let grad_at = (query - params.query_base) * params.query_stride + head * columns;
        if (CHUNKS > 0u) {
          let column = min(lane + 0u, columns - 1u);
          dv0 += weight * d_o[grad_at + column];
          dk0 += share * q[query_at + column];
        }
        if (CHUNKS > 1u) {
          let column = min(lane + 4u, columns - 1u);
          dv1 += weight * d_o[grad_at + column];
          dk1 += share * q[query_at + column];
        }
        if (CHUNKS > 2u) {
          let column = min(lane + 8u, columns - 1u);
          dv2 += weight * d_o[grad_at + column];
          dk2 += share * q[query_at + column];
        }
        if (CHUNKS > 3u) {
          let column = min(lane + 12u, columns - 1u);
          dv3 += weight * d_o[grad_at + column];
          dk3 += share * q[query_at + column];
        }
        if (CHUNKS > 4u) {
          let column = min(lane + 16u, columns - 1u);
          dv4 += weight * d_o[grad_at + column];
          dk4 += share * q[query_at + column];
        }
        if (CHUNKS > 5u) {
          let column = min(lane + 20u, columns - 1u);
          dv5 += weight * d_o[grad_at + column];
          dk5 += share * q[query_at + column];
        }
        if (CHUNKS > 6u) {
          let column = min(lane + 24u, columns - 1u);
          dv6 += weight * d_o[grad_at + column];
          dk6 += share * q[query_at + column];
        }
        if (CHUNKS > 7u) {
          let column = min(lane + 28u, columns - 1u);
          dv7 += weight * d_o[grad_at + column];
          dk7 += share * q[query_at + column];
        }
      }
    }
  }
  if (slot >= tile.y) {
    return;
  }
  let out_at = (row - params.key_base) * kv_stride + group.y * columns;
  let out_v = out_at + params.key_heads * columns;
  if (CHUNKS > 0u && lane + 0u < columns) {
    dkv[out_at + lane + 0u] = dk0;
    dkv[out_v + lane + 0u] = dv0;
  }
  if (CHUNKS > 1u && lane + 4u < columns) {
    dkv[out_at + lane + 4u] = dk1;
    dkv[out_v + lane + 4u] = dv1;
  }
  if (CHUNKS > 2u && lane + 8u < columns) {
    dkv[out_at + lane + 8u] = dk2;
    dkv[out_v + lane + 8u] = dv2;
  }
  if (CHUNKS > 3u && lane + 12u < columns) {
    dkv[out_at + lane + 12u] = dk3;
    dkv[out_v + lane + 12u] = dv3;
  }
  if (CHUNKS > 4u && lane + 16u < columns) {
    dkv[out_at + lane + 16u] = dk4;
    dkv[out_v + lane + 16u] = dv4;
  }
  if (CHUNKS > 5u && lane + 20u < columns) {
    dkv[out_at + lane + 20u] = dk5;
    dkv[out_v + lane + 20u] = dv5;
  }
  if (CHUNKS > 6u && lane + 24u < columns) {
    dkv[out_at + lane + 24u] = dk6;
    dkv[out_v + lane + 24u] = dv6;
  }
  if (CHUNKS > 7u && lane + 28u < columns) {
    dkv[out_at + lane + 28u] = dk7;
    dkv[out_v + lane + 28u] = dv7;
  }
}
