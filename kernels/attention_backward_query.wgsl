// dq of attention, and delta[r] = do[r] . o[r] for the key/value gradient; p is rebuilt from the kept log-sum-exp:
//   dq[r] = scale sum_c p_rc (do[r] . v[c] - delta[r]) k[c].  arXiv:2205.14135
// Workgroups and tables as in attention.wgsl; tiles list gradient queries only. dq and delta are overwritten.
// `table` holds tiles of two vec4 from params.first_tile on: (first query, queries, first prefix row, prefix rows),
// (first own row, own rows, 0, 0), and one vec4 a query from params.first_query on: (own rows it sees: begin, end;
// prefix rows it sees: begin; position).

override CHUNKS: u32 = 4u; // groups of four columns an invocation owns: ceil(K / 16), at most 8

struct Params {
  width: u32, // K, a multiple of 4, at most 128
  query_heads: u32, // Q
  query_stride: u32, // vec4 from row to row of q and o, at least Q*K/4
  key_heads: u32, // G
  first_tile: u32,
  first_query: u32,
  scale: f32,
  query_base: u32, // row of q, o and lse that belongs to row 0 of d_o, dq and delta
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>; // [R', 2*G*K]: keys, then values
@group(0) @binding(3) var<storage, read> o: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [R, Q]
@group(0) @binding(5) var<storage, read> d_o: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> delta: array<f32>;

var<workgroup> shares: array<vec4<f32>, 64>; // [16 queries][4 groups of four keys]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let tile = table[params.first_tile + 2u * group.x];
  let own = table[params.first_tile + 2u * group.x + 1u];
  let head = group.y;
  let lane = index & 3u;
  let slot = index >> 2u;
  let columns = params.width >> 2u;
  let q_row = tile.x + min(slot, tile.y - 1u);
  let query = table[params.first_query + q_row];
  let q_at = q_row * params.query_stride + head * columns;
  let d_at = (q_row - params.query_base) * params.query_stride + head * columns;
  let kv_stride = 2u * params.key_heads * columns;
  let k_column = head / (params.query_heads / params.key_heads) * columns;
  let v_offset = params.key_heads * columns;
  let keys = tile.w + own.y;
  let log_sum = lse[q_row * params.query_heads + head];
  var row_delta = 0.0;
  for (var c = 0u; c < columns; c += 1u) {
    row_delta += dot(d_o[d_at + c], o[q_at + c]);
  }
  var dq0 = vec4<f32>();
  var dq1 = vec4<f32>();
  var dq2 = vec4<f32>();
  var dq3 = vec4<f32>();
  var dq4 = vec4<f32>();
  var dq5 = vec4<f32>();
  var dq6 = vec4<f32>();
  var dq7 = vec4<f32>();
  for (var first = 0u; first < keys; first += 16u) {
    var rows: vec4<u32>;
    var seen: vec4<bool>;
    for (var i = 0u; i < 4u; i += 1u) {
      let key = first + lane * 4u + i;
      let safe = min(key, keys - 1u);
      let row = select(own.x + safe - tile.w, tile.z + safe, safe < tile.w);
      rows[i] = row * kv_stride + k_column;
      seen[i] = key < keys && select((row >= query.x) && (row < query.y), safe >= query.z, safe < tile.w);
    }
    var s = vec4<f32>();
    var dp = vec4<f32>();
    for (var c = 0u; c < columns; c += 1u) {
      let a = q[q_at + c];
      let b = d_o[d_at + c];
      s += vec4(dot(a, kv[rows.x + c]), dot(a, kv[rows.y + c]), dot(a, kv[rows.z + c]), dot(a, kv[rows.w + c]));
      let v = rows + vec4(v_offset + c);
      dp += vec4(dot(b, kv[v.x]), dot(b, kv[v.y]), dot(b, kv[v.z]), dot(b, kv[v.w]));
    }
    let p = select(vec4<f32>(), exp(s * params.scale - vec4(log_sum)), seen);
    workgroupBarrier();
    shares[index] = p * (dp - vec4(row_delta)) * params.scale;
    workgroupBarrier();
    let count = min(16u, keys - first);
    for (var i = 0u; i < count; i += 1u) {
      let key = first + i;
      let row = select(own.x + key - tile.w, tile.z + key, key < tile.w);
      let share = shares[slot * 4u + (i >> 2u)][i & 3u];
      let at = row * kv_stride + k_column;
      if (CHUNKS > 0u) {
        dq0 += share * kv[at + min(lane + 0u, columns - 1u)];
      }
      if (CHUNKS > 1u) {
        dq1 += share * kv[at + min(lane + 4u, columns - 1u)];
      }
      if (CHUNKS > 2u) {
        dq2 += share * kv[at + min(lane + 8u, columns - 1u)];
      }
      if (CHUNKS > 3u) {
        dq3 += share * kv[at + min(lane + 12u, columns - 1u)];
      }
      if (CHUNKS > 4u) {
        dq4 += share * kv[at + min(lane + 16u, columns - 1u)];
      }
      if (CHUNKS > 5u) {
        dq5 += share * kv[at + min(lane + 20u, columns - 1u)];
      }
      if (CHUNKS > 6u) {
        dq6 += share * kv[at + min(lane + 24u, columns - 1u)];
      }
      if (CHUNKS > 7u) {
        dq7 += share * kv[at + min(lane + 28u, columns - 1u)];
      }
    }
  }
  if (slot >= tile.y) {
    return;
  }
  if (CHUNKS > 0u && lane + 0u < columns) {
    dq[d_at + lane + 0u] = dq0;
  }
  if (CHUNKS > 1u && lane + 4u < columns) {
    dq[d_at + lane + 4u] = dq1;
  }
  if (CHUNKS > 2u && lane + 8u < columns) {
    dq[d_at + lane + 8u] = dq2;
  }
  if (CHUNKS > 3u && lane + 12u < columns) {
    dq[d_at + lane + 12u] = dq3;
  }
  if (CHUNKS > 4u && lane + 16u < columns) {
    dq[d_at + lane + 16u] = dq4;
  }
  if (CHUNKS > 5u && lane + 20u < columns) {
    dq[d_at + lane + 20u] = dq5;
  }
  if (CHUNKS > 6u && lane + 24u < columns) {
    dq[d_at + lane + 24u] = dq6;
  }
  if (CHUNKS > 7u && lane + 28u < columns) {
    dq[d_at + lane + 28u] = dq7;
  }
  if (lane == 0u) {
    delta[(q_row - params.query_base) * params.query_heads + head] = row_delta;
  }
}
