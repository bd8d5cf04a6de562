// dq of attention, and delta[r] = do[r] . o[r] for the key/value gradient; p is rebuilt from the kept log-sum-exp:
//   dq[r] = scale sum_c p_rc (do[r] . v[c] - delta[r]) k[c].  arXiv:2205.14135
// Without workgroup memory, laid out as attention_subgroup. Needs subgroups of at least eight lanes. dq and delta are
// overwritten.
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
  query_base: u32, // row of q, o and lse that belongs to row 0 of d_o, dq and delta
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
@group(0) @binding(3) var<storage, read> o: array<vec4<f32>>; // [R, Q*K]
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [R, Q]
@group(0) @binding(5) var<storage, read> d_o: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> delta: array<f32>;

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

// Columns 16*chunk.. of the row of d_o that starts at `at`; columns past the head's width are 0.
fn load_d_o(at: u32, chunk: u32) -> Block {
  let columns = params.width >> 2u;
  let column = chunk * 4u;
  let last = columns - 1u;
  return Block(
    d_o[at + column],
    select(vec4<f32>(), d_o[at + min(column + 1u, last)], column + 1u < columns),
    select(vec4<f32>(), d_o[at + min(column + 2u, last)], column + 2u < columns),
    select(vec4<f32>(), d_o[at + min(column + 3u, last)], column + 3u < columns),
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
  dq[at + column] = value.a;
  if (column + 1u < columns) {
    dq[at + column + 1u] = value.b;
  }
  if (column + 2u < columns) {
    dq[at + column + 2u] = value.c;
  }
  if (column + 3u < columns) {
    dq[at + column + 3u] = value.d;
  }
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
  let d_at = (q_row - params.query_base) * params.query_stride + head * columns;
  let kv_stride = 2u * params.key_heads * columns;
  let k_column = head / (params.query_heads / params.key_heads) * columns;
  let v_column = k_column + params.key_heads * columns;
  let keys = tile.w + own.y;
  let end = min(keys, tile.w + subgroupMax(query.y) - own.x);
  let log_sum = vec4(lse[q_row * params.query_heads + head]);
  var row_delta = 0.0;
  for (var c = 0u; c < columns; c += 1u) {
    row_delta += dot(d_o[d_at + c], o[q_at + c]);
  }
  // This lane's own rows stay in registers: a load costs as much as dozens of products.
  var q0 = Block();
  var g0 = Block();
  var q1 = Block();
  var g1 = Block();
  var q2 = Block();
  var g2 = Block();
  var q3 = Block();
  var g3 = Block();
  var q4 = Block();
  var g4 = Block();
  var q5 = Block();
  var g5 = Block();
  var q6 = Block();
  var g6 = Block();
  var q7 = Block();
  var g7 = Block();
  if (CHUNKS > 0u) {
    q0 = load_q(q_at, 0u);
    g0 = load_d_o(d_at, 0u);
  }
  if (CHUNKS > 1u) {
    q1 = load_q(q_at, 1u);
    g1 = load_d_o(d_at, 1u);
  }
  if (CHUNKS > 2u) {
    q2 = load_q(q_at, 2u);
    g2 = load_d_o(d_at, 2u);
  }
  if (CHUNKS > 3u) {
    q3 = load_q(q_at, 3u);
    g3 = load_d_o(d_at, 3u);
  }
  if (CHUNKS > 4u) {
    q4 = load_q(q_at, 4u);
    g4 = load_d_o(d_at, 4u);
  }
  if (CHUNKS > 5u) {
    q5 = load_q(q_at, 5u);
    g5 = load_d_o(d_at, 5u);
  }
  if (CHUNKS > 6u) {
    q6 = load_q(q_at, 6u);
    g6 = load_d_o(d_at, 6u);
  }
  if (CHUNKS > 7u) {
    q7 = load_q(q_at, 7u);
    g7 = load_d_o(d_at, 7u);
  }
  var dq0 = Block();
  var dq1 = Block();
  var dq2 = Block();
  var dq3 = Block();
  var dq4 = Block();
  var dq5 = Block();
  var dq6 = Block();
  var dq7 = Block();
  for (var first = 0u; first < end; first += 8u) {
    let row = row_of(min(first + lane, keys - 1u), tile, own) * kv_stride;
    var s = Eight();
    var dp = Eight();
    var k0 = Block();
    var k1 = Block();
    var k2 = Block();
    var k3 = Block();
    var k4 = Block();
    var k5 = Block();
    var k6 = Block();
    var k7 = Block();
    if (CHUNKS > 0u) {
      k0 = load_kv(row + k_column, 0u);
      s = add(s, products(q0, k0));
      dp = add(dp, products(g0, load_kv(row + v_column, 0u)));
    }
    if (CHUNKS > 1u) {
      k1 = load_kv(row + k_column, 1u);
      s = add(s, products(q1, k1));
      dp = add(dp, products(g1, load_kv(row + v_column, 1u)));
    }
    if (CHUNKS > 2u) {
      k2 = load_kv(row + k_column, 2u);
      s = add(s, products(q2, k2));
      dp = add(dp, products(g2, load_kv(row + v_column, 2u)));
    }
    if (CHUNKS > 3u) {
      k3 = load_kv(row + k_column, 3u);
      s = add(s, products(q3, k3));
      dp = add(dp, products(g3, load_kv(row + v_column, 3u)));
    }
    if (CHUNKS > 4u) {
      k4 = load_kv(row + k_column, 4u);
      s = add(s, products(q4, k4));
      dp = add(dp, products(g4, load_kv(row + v_column, 4u)));
    }
    if (CHUNKS > 5u) {
      k5 = load_kv(row + k_column, 5u);
      s = add(s, products(q5, k5));
      dp = add(dp, products(g5, load_kv(row + v_column, 5u)));
    }
    if (CHUNKS > 6u) {
      k6 = load_kv(row + k_column, 6u);
      s = add(s, products(q6, k6));
      dp = add(dp, products(g6, load_kv(row + v_column, 6u)));
    }
    if (CHUNKS > 7u) {
      k7 = load_kv(row + k_column, 7u);
      s = add(s, products(q7, k7));
      dp = add(dp, products(g7, load_kv(row + v_column, 7u)));
    }
    let visible = seen(first, keys, tile, own, query);
    let p = Eight(
      select(vec4(0.0), exp(s.low * params.scale - log_sum), visible.low > vec4(0.5)),
      select(vec4(0.0), exp(s.high * params.scale - log_sum), visible.high > vec4(0.5)),
    );
    let share = Eight(
      p.low * (dp.low - vec4(row_delta)) * params.scale,
      p.high * (dp.high - vec4(row_delta)) * params.scale,
    );
    if (CHUNKS > 0u) {
      dq0 = weighted(dq0, share, k0);
    }
    if (CHUNKS > 1u) {
      dq1 = weighted(dq1, share, k1);
    }
    if (CHUNKS > 2u) {
      dq2 = weighted(dq2, share, k2);
    }
    if (CHUNKS > 3u) {
      dq3 = weighted(dq3, share, k3);
    }
    if (CHUNKS > 4u) {
      dq4 = weighted(dq4, share, k4);
    }
    if (CHUNKS > 5u) {
      dq5 = weighted(dq5, share, k5);
    }
    if (CHUNKS > 6u) {
      dq6 = weighted(dq6, share, k6);
    }
    if (CHUNKS > 7u) {
      dq7 = weighted(dq7, share, k7);
    }
  }
  if (slot + lane >= tile.y) {
    return;
  }
  if (CHUNKS > 0u) {
    store(d_at, 0u, dq0);
  }
  if (CHUNKS > 1u) {
    store(d_at, 1u, dq1);
  }
  if (CHUNKS > 2u) {
    store(d_at, 2u, dq2);
  }
  if (CHUNKS > 3u) {
    store(d_at, 3u, dq3);
  }
  if (CHUNKS > 4u) {
    store(d_at, 4u, dq4);
  }
  if (CHUNKS > 5u) {
    store(d_at, 5u, dq5);
  }
  if (CHUNKS > 6u) {
    store(d_at, 6u, dq6);
  }
  if (CHUNKS > 7u) {
    store(d_at, 7u, dq7);
  }
  delta[(q_row - params.query_base) * params.query_heads + head] = row_delta;
}
