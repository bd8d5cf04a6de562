// o[r] = softmax(q[r] k^T scale) v over the rows r may see, and the log-sum-exp of the scores; per query head, GQA.
// arXiv:1706.03762, running maximum as in arXiv:1805.02867, heads shared as in arXiv:2305.13245.
// Rows are packed segments; a query sees the prefix rows of its tile (rows of another segment) and own rows [begin,
// end).
// One workgroup a (tile of 16 queries, query head); four invocations share a query: each scores four of sixteen keys,
// then owns every fourth group of four columns of o. o and lse are overwritten.
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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>; // [R', 2*G*K]: keys, then values
@group(0) @binding(3) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>; // [R, Q]

var<workgroup> scores: array<vec4<f32>, 64>; // [16 queries][4 groups of four keys]

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
  let kv_stride = 2u * params.key_heads * columns;
  let k_column = head / (params.query_heads / params.key_heads) * columns;
  let v_column = k_column + params.key_heads * columns;
  let keys = tile.w + own.y;
  var top = -1e30;
  var sum = 0.0;
  var o0 = vec4<f32>();
  var o1 = vec4<f32>();
  var o2 = vec4<f32>();
  var o3 = vec4<f32>();
  var o4 = vec4<f32>();
  var o5 = vec4<f32>();
  var o6 = vec4<f32>();
  var o7 = vec4<f32>();
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
    for (var c = 0u; c < columns; c += 1u) {
      let a = q[q_at + c];
      s += vec4(dot(a, kv[rows.x + c]), dot(a, kv[rows.y + c]), dot(a, kv[rows.z + c]), dot(a, kv[rows.w + c]));
    }
    s = select(vec4(-1e30), s * params.scale, seen);
    workgroupBarrier();
    scores[index] = s;
    workgroupBarrier();
    let s0 = scores[slot * 4u];
    let s1 = scores[slot * 4u + 1u];
    let s2 = scores[slot * 4u + 2u];
    let s3 = scores[slot * 4u + 3u];
    let largest = max(max(s0, s1), max(s2, s3));
    let new_top = max(top, max(max(largest.x, largest.y), max(largest.z, largest.w)));
    let shrink = exp(top - new_top);
    top = new_top;
    // A score that is not seen is -1e30: its weight is 0, even while nothing has been seen.
    let live = vec4(-1e29);
    let p0 = select(vec4<f32>(), exp(s0 - top), s0 > live);
    let p1 = select(vec4<f32>(), exp(s1 - top), s1 > live);
    let p2 = select(vec4<f32>(), exp(s2 - top), s2 > live);
    let p3 = select(vec4<f32>(), exp(s3 - top), s3 > live);
    let ps = p0 + p1 + p2 + p3;
    sum = sum * shrink + ps.x + ps.y + ps.z + ps.w;
    o0 *= shrink;
    o1 *= shrink;
    o2 *= shrink;
    o3 *= shrink;
    o4 *= shrink;
    o5 *= shrink;
    o6 *= shrink;
    o7 *= shrink;
    let count = min(16u, keys - first);
    for (var i = 0u; i < count; i += 1u) {
      let key = first + i;
      let row = select(own.x + key - tile.w, tile.z + key, key < tile.w);
      let four = select(select(p2, p3, i >= 12u), select(p0, p1, i >= 4u), i < 8u);
      let p = select(select(four.z, four.w, (i & 3u) == 3u), select(four.x, four.y, (i & 3u) == 1u), (i & 3u) < 2u);
      let at = row * kv_stride + v_column;
      if (CHUNKS > 0u) {
        o0 += p * kv[at + min(lane + 0u, columns - 1u)];
      }
      if (CHUNKS > 1u) {
        o1 += p * kv[at + min(lane + 4u, columns - 1u)];
      }
      if (CHUNKS > 2u) {
        o2 += p * kv[at + min(lane + 8u, columns - 1u)];
      }
      if (CHUNKS > 3u) {
        o3 += p * kv[at + min(lane + 12u, columns - 1u)];
      }
      if (CHUNKS > 4u) {
        o4 += p * kv[at + min(lane + 16u, columns - 1u)];
      }
      if (CHUNKS > 5u) {
        o5 += p * kv[at + min(lane + 20u, columns - 1u)];
      }
      if (CHUNKS > 6u) {
        o6 += p * kv[at + min(lane + 24u, columns - 1u)];
      }
      if (CHUNKS > 7u) {
        o7 += p * kv[at + min(lane + 28u, columns - 1u)];
      }
    }
  }
  if (slot >= tile.y) {
    return;
  }
  let inverse = 1.0 / sum;
  if (CHUNKS > 0u && lane + 0u < columns) {
    o[q_at + lane + 0u] = o0 * inverse;
  }
  if (CHUNKS > 1u && lane + 4u < columns) {
    o[q_at + lane + 4u] = o1 * inverse;
  }
  if (CHUNKS > 2u && lane + 8u < columns) {
    o[q_at + lane + 8u] = o2 * inverse;
  }
  if (CHUNKS > 3u && lane + 12u < columns) {
    o[q_at + lane + 12u] = o3 * inverse;
  }
  if (CHUNKS > 4u && lane + 16u < columns) {
    o[q_at + lane + 16u] = o4 * inverse;
  }
  if (CHUNKS > 5u && lane + 20u < columns) {
    o[q_at + lane + 20u] = o5 * inverse;
  }
  if (CHUNKS > 6u && lane + 24u < columns) {
    o[q_at + lane + 24u] = o6 * inverse;
  }
  if (CHUNKS > 7u && lane + 28u < columns) {
    o[q_at + lane + 28u] = o7 * inverse;
  }
  if (lane == 0u) {
    lse[q_row * params.query_heads + head] = top + log(sum);
  }
}
