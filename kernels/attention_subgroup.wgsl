// o[r] = softmax(q[r] k^T scale) v over the rows r may see, and the log-sum-exp of the scores; per query head, GQA.
// arXiv:1706.03762, running maximum as in arXiv:1805.02867, heads shared as in arXiv:2305.13245.
// Without workgroup memory, for software adapters: one subgroup of eight lanes is eight queries of one head. Each lane
// loads one of eight keys and its value, and gets the others by subgroup broadcast. Needs subgroups of at least eight
// lanes.
// o and lse are overwritten.
// `table` as in attention.wgsl.

override CHUNKS: u32 = 4u; // groups of sixteen columns: ceil(K / 16), at most 8

struct Params {
  width: u32, // K, a multiple of 4, at most 128
  query_heads: u32, // Q
  query_stride: u32, // vec4 from row to row of q and o, at least Q*K/4
  key_heads: u32, // G
  first_tile: u32,
  first_query: u32,
  scale: f32,
}

// Sixteen neighbouring columns of one row.
struct Block {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
}

// Eight numbers of one invocation, one for each row that is broadcast.
struct Eight {
  low: vec4<f32>,
  high: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>; // [R', 2*G*K]: keys, then values
@group(0) @binding(3) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>; // [R, Q]

// Columns 16*chunk.. of the row of q that starts at `at`; columns past the head's width are 0.
fn load_q(at: u32, chunk: u32) -> Block {
  let columns = params.width >> 2u;
  let column = chunk * 4u;
  let last = columns - 1u;
  return Block(
    q[at + column],
    select(vec4<f32>(), q[at + min(column + 1u, last)], column + 1u < columns),
    select(vec4<f32>(), q[at + min(column + 2u, last)], column + 2u < columns),
    select(vec4<f32>(), q[at + min(column + 3u, last)], column + 3u < columns),
  );
}

// Columns 16*chunk.. of the row of kv that starts at `at`; columns past the head's width are 0.
fn load_kv(at: u32, chunk: u32) -> Block {
  let columns = params.width >> 2u;
  let column = chunk * 4u;
  let last = columns - 1u;
  return Block(
    kv[at + column],
    select(vec4<f32>(), kv[at + min(column + 1u, last)], column + 1u < columns),
    select(vec4<f32>(), kv[at + min(column + 2u, last)], column + 2u < columns),
    select(vec4<f32>(), kv[at + min(column + 3u, last)], column + 3u < columns),
  );
}

// own . (row of lane i) for i = 0..7, over sixteen columns.
fn products(own: Block, row: Block) -> Eight {
  let s0 = dot(own.a, subgroupBroadcast(row.a, 0u)) + dot(own.b, subgroupBroadcast(row.b, 0u)) +
    dot(own.c, subgroupBroadcast(row.c, 0u)) + dot(own.d, subgroupBroadcast(row.d, 0u));
  let s1 = dot(own.a, subgroupBroadcast(row.a, 1u)) + dot(own.b, subgroupBroadcast(row.b, 1u)) +
    dot(own.c, subgroupBroadcast(row.c, 1u)) + dot(own.d, subgroupBroadcast(row.d, 1u));
  let s2 = dot(own.a, subgroupBroadcast(row.a, 2u)) + dot(own.b, subgroupBroadcast(row.b, 2u)) +
    dot(own.c, subgroupBroadcast(row.c, 2u)) + dot(own.d, subgroupBroadcast(row.d, 2u));
  let s3 = dot(own.a, subgroupBroadcast(row.a, 3u)) + dot(own.b, subgroupBroadcast(row.b, 3u)) +
    dot(own.c, subgroupBroadcast(row.c, 3u)) + dot(own.d, subgroupBroadcast(row.d, 3u));
  let s4 = dot(own.a, subgroupBroadcast(row.a, 4u)) + dot(own.b, subgroupBroadcast(row.b, 4u)) +
    dot(own.c, subgroupBroadcast(row.c, 4u)) + dot(own.d, subgroupBroadcast(row.d, 4u));
  let s5 = dot(own.a, subgroupBroadcast(row.a, 5u)) + dot(own.b, subgroupBroadcast(row.b, 5u)) +
    dot(own.c, subgroupBroadcast(row.c, 5u)) + dot(own.d, subgroupBroadcast(row.d, 5u));
  let s6 = dot(own.a, subgroupBroadcast(row.a, 6u)) + dot(own.b, subgroupBroadcast(row.b, 6u)) +
    dot(own.c, subgroupBroadcast(row.c, 6u)) + dot(own.d, subgroupBroadcast(row.d, 6u));
  let s7 = dot(own.a, subgroupBroadcast(row.a, 7u)) + dot(own.b, subgroupBroadcast(row.b, 7u)) +
    dot(own.c, subgroupBroadcast(row.c, 7u)) + dot(own.d, subgroupBroadcast(row.d, 7u));
  return Eight(vec4(s0, s1, s2, s3), vec4(s4, s5, s6, s7));
}

fn add(x: Eight, y: Eight) -> Eight {
  return Eight(x.low + y.low, x.high + y.high);
}

// sum + sum_i weights_i (row of lane i), over sixteen columns.
fn weighted(sum: Block, weights: Eight, row: Block) -> Block {
  var total = sum;
  total.a += weights.low.x * subgroupBroadcast(row.a, 0u);
  total.b += weights.low.x * subgroupBroadcast(row.b, 0u);
  total.c += weights.low.x * subgroupBroadcast(row.c, 0u);
  total.d += weights.low.x * subgroupBroadcast(row.d, 0u);
  total.a += weights.low.y * subgroupBroadcast(row.a, 1u);
  total.b += weights.low.y * subgroupBroadcast(row.b, 1u);
  total.c += weights.low.y * subgroupBroadcast(row.c, 1u);
  total.d += weights.low.y * subgroupBroadcast(row.d, 1u);
  total.a += weights.low.z * subgroupBroadcast(row.a, 2u);
  total.b += weights.low.z * subgroupBroadcast(row.b, 2u);
  total.c += weights.low.z * subgroupBroadcast(row.c, 2u);
  total.d += weights.low.z * subgroupBroadcast(row.d, 2u);
  total.a += weights.low.w * subgroupBroadcast(row.a, 3u);
  total.b += weights.low.w * subgroupBroadcast(row.b, 3u);
  total.c += weights.low.w * subgroupBroadcast(row.c, 3u);
  total.d += weights.low.w * subgroupBroadcast(row.d, 3u);
  total.a += weights.high.x * subgroupBroadcast(row.a, 4u);
  total.b += weights.high.x * subgroupBroadcast(row.b, 4u);
  total.c += weights.high.x * subgroupBroadcast(row.c, 4u);
  total.d += weights.high.x * subgroupBroadcast(row.d, 4u);
  total.a += weights.high.y * subgroupBroadcast(row.a, 5u);
  total.b += weights.high.y * subgroupBroadcast(row.b, 5u);
  total.c += weights.high.y * subgroupBroadcast(row.c, 5u);
  total.d += weights.high.y * subgroupBroadcast(row.d, 5u);
  total.a += weights.high.z * subgroupBroadcast(row.a, 6u);
  total.b += weights.high.z * subgroupBroadcast(row.b, 6u);
  total.c += weights.high.z * subgroupBroadcast(row.c, 6u);
  total.d += weights.high.z * subgroupBroadcast(row.d, 6u);
  total.a += weights.high.w * subgroupBroadcast(row.a, 7u);
  total.b += weights.high.w * subgroupBroadcast(row.b, 7u);
  total.c += weights.high.w * subgroupBroadcast(row.c, 7u);
  total.d += weights.high.w * subgroupBroadcast(row.d, 7u);
  return total;
}

// Which of eight neighbouring keys this query sees.
fn seen(first: u32, keys: u32, tile: vec4<u32>, own: vec4<u32>, query: vec4<u32>) -> Eight {
  let low = vec4(first) + vec4(0u, 1u, 2u, 3u);
  return Eight(sees(low, keys, tile, own, query), sees(low + vec4(4u), keys, tile, own, query));
}

// 1 for keys that are seen, 0 for the others.
fn sees(key: vec4<u32>, keys: u32, tile: vec4<u32>, own: vec4<u32>, query: vec4<u32>) -> vec4<f32> {
  let row = key - vec4(tile.w) + vec4(own.x);
  let in_prefix = key < vec4(tile.w);
  let visible_own = (row >= vec4(query.x)) & (row < vec4(query.y));
  return select(vec4(0.0), vec4(1.0), (key < vec4(keys)) & select(visible_own, key >= vec4(query.z), in_prefix));
}

// Row of kv that holds a key of the tile.
fn row_of(key: u32, tile: vec4<u32>, own: vec4<u32>) -> u32 {
  return select(own.x + key - tile.w, tile.z + key, key < tile.w);
}

fn store(at: u32, chunk: u32, value: Block) {
  let columns = params.width >> 2u;
  let column = chunk * 4u;
  o[at + column] = value.a;
  if (column + 1u < columns) {
    o[at + column + 1u] = value.b;
  }
  if (column + 2u < columns) {
    o[at + column + 2u] = value.c;
  }
  if (column + 3u < columns) {
    o[at + column + 3u] = value.d;
  }
}

fn scaled(block: Block, factor: f32) -> Block {
  return Block(block.a * factor, block.b * factor, block.c * factor, block.d * factor);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = table[params.first_tile + 2u * (group.x >> 1u)];
  let own = table[params.first_tile + 2u * (group.x >> 1u) + 1u];
  let slot = (group.x & 1u) * 8u;
  if (slot >= tile.y) {
    return;
  }
  let head = group.y;
  let columns = params.width >> 2u;
  let q_row = tile.x + min(slot + lane, tile.y - 1u);
  let query = table[params.first_query + q_row];
  let q_at = q_row * params.query_stride + head * columns;
  let kv_stride = 2u * params.key_heads * columns;
  let k_column = head / (params.query_heads / params.key_heads) * columns;
  let v_column = k_column + params.key_heads * columns;
  let keys = tile.w + own.y;
  // Keys after the last one that the last of these queries sees need not be visited.
  let end = min(keys, tile.w + subgroupMax(query.y) - own.x);
  var top = -1e30;
  var sum = 0.0;
  // This lane's own query stays in registers: a load costs as much as dozens of products.
  var q0 = Block();
  var q1 = Block();
  var q2 = Block();
  var q3 = Block();
  var q4 = Block();
  var q5 = Block();
  var q6 = Block();
  var q7 = Block();
  if (CHUNKS > 0u) {
    q0 = load_q(q_at, 0u);
  }
  if (CHUNKS > 1u) {
    q1 = load_q(q_at, 1u);
  }
  if (CHUNKS > 2u) {
    q2 = load_q(q_at, 2u);
  }
  if (CHUNKS > 3u) {
    q3 = load_q(q_at, 3u);
  }
  if (CHUNKS > 4u) {
    q4 = load_q(q_at, 4u);
  }
  if (CHUNKS > 5u) {
    q5 = load_q(q_at, 5u);
  }
  if (CHUNKS > 6u) {
    q6 = load_q(q_at, 6u);
  }
  if (CHUNKS > 7u) {
    q7 = load_q(q_at, 7u);
  }
  var o0 = Block();
  var o1 = Block();
  var o2 = Block();
  var o3 = Block();
  var o4 = Block();
  var o5 = Block();
  var o6 = Block();
  var o7 = Block();
  for (var first = 0u; first < end; first += 8u) {
    let row = row_of(min(first + lane, keys - 1u), tile, own) * kv_stride;
    var s = Eight();
    if (CHUNKS > 0u) {
      s = add(s, products(q0, load_kv(row + k_column, 0u)));
    }
    if (CHUNKS > 1u) {
      s = add(s, products(q1, load_kv(row + k_column, 1u)));
    }
    if (CHUNKS > 2u) {
      s = add(s, products(q2, load_kv(row + k_column, 2u)));
    }
    if (CHUNKS > 3u) {
      s = add(s, products(q3, load_kv(row + k_column, 3u)));
    }
    if (CHUNKS > 4u) {
      s = add(s, products(q4, load_kv(row + k_column, 4u)));
    }
    if (CHUNKS > 5u) {
      s = add(s, products(q5, load_kv(row + k_column, 5u)));
    }
    if (CHUNKS > 6u) {
      s = add(s, products(q6, load_kv(row + k_column, 6u)));
    }
    if (CHUNKS > 7u) {
      s = add(s, products(q7, load_kv(row + k_column, 7u)));
    }
    let visible = seen(first, keys, tile, own, query);
    s.low = select(vec4(-1e30), s.low * params.scale, visible.low > vec4(0.5));
    s.high = select(vec4(-1e30), s.high * params.scale, visible.high > vec4(0.5));
    let largest = max(s.low, s.high);
    let new_top = max(top, max(max(largest.x, largest.y), max(largest.z, largest.w)));
    let shrink = exp(top - new_top);
    top = new_top;
    let p = Eight(visible.low * exp(s.low - vec4(top)), visible.high * exp(s.high - vec4(top)));
    let both = p.low + p.high;
    sum = sum * shrink + both.x + both.y + both.z + both.w;
    if (CHUNKS > 0u) {
      o0 = weighted(scaled(o0, shrink), p, load_kv(row + v_column, 0u));
    }
    if (CHUNKS > 1u) {
      o1 = weighted(scaled(o1, shrink), p, load_kv(row + v_column, 1u));
    }
    if (CHUNKS > 2u) {
      o2 = weighted(scaled(o2, shrink), p, load_kv(row + v_column, 2u));
    }
    if (CHUNKS > 3u) {
      o3 = weighted(scaled(o3, shrink), p, load_kv(row + v_column, 3u));
    }
    if (CHUNKS > 4u) {
      o4 = weighted(scaled(o4, shrink), p, load_kv(row + v_column, 4u));
    }
    if (CHUNKS > 5u) {
      o5 = weighted(scaled(o5, shrink), p, load_kv(row + v_column, 5u));
    }
    if (CHUNKS > 6u) {
      o6 = weighted(scaled(o6, shrink), p, load_kv(row + v_column, 6u));
    }
    if (CHUNKS > 7u) {
      o7 = weighted(scaled(o7, shrink), p, load_kv(row + v_column, 7u));
    }
  }
  if (slot + lane >= tile.y) {
    return;
  }
  let inverse = 1.0 / sum;
  if (CHUNKS > 0u) {
    store(q_at, 0u, scaled(o0, inverse));
  }
  if (CHUNKS > 1u) {
    store(q_at, 1u, scaled(o1, inverse));
  }
  if (CHUNKS > 2u) {
    store(q_at, 2u, scaled(o2, inverse));
  }
  if (CHUNKS > 3u) {
    store(q_at, 3u, scaled(o3, inverse));
  }
  if (CHUNKS > 4u) {
    store(q_at, 4u, scaled(o4, inverse));
  }
  if (CHUNKS > 5u) {
    store(q_at, 5u, scaled(o5, inverse));
  }
  if (CHUNKS > 6u) {
    store(q_at, 6u, scaled(o6, inverse));
  }
  if (CHUNKS > 7u) {
    store(q_at, 7u, scaled(o7, inverse));
  }
  lse[q_row * params.query_heads + head] = top + log(sum);
}
