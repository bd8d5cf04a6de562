// dk and dv of attention:  dv[c] = sum_r p_rc do[r],  dk[c] = scale sum_r p_rc (do[r] . v[c] - delta[r]) q[r], over the
// queries r that see row c and all query heads that share the key/value head.  arXiv:2205.14135
// Without workgroup memory: one subgroup of eight lanes is eight own rows of one key/value head; each lane loads one of
// eight queries and gets the others by subgroup broadcast. Needs subgroups of at least eight lanes. dkv is overwritten.
// `table` as in attention_backward_key_value.wgsl.

override CHUNKS: u32 = 4u; // groups of sixteen columns: ceil(K / 16), at most 8

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
@group(0) @binding(3) var<storage, read> lse: array<f32>; // [R, Q]
@group(0) @binding(4) var<storage, read> d_o: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> dkv: array<vec4<f32>>;

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

fn store(at: u32, chunk: u32, value: Block) {
  let columns = params.width >> 2u;
  let column = chunk * 4u;
  dkv[at + column] = value.a;
  if (column + 1u < columns) {
    dkv[at + column + 1u] = value.b;
  }
  if (column + 2u < columns) {
    dkv[at + column + 2u] = value.c;
  }
  if (column + 3u < columns) {
    dkv[at + column + 3u] = value.d;
  }
}

// The number of every lane, in lane order.
fn all_lanes(value: f32) -> Eight {
  return Eight(
    vec4(subgroupBroadcast(value, 0u), subgroupBroadcast(value, 1u), subgroupBroadcast(value, 2u), subgroupBroadcast(value, 3u)),
    vec4(subgroupBroadcast(value, 4u), subgroupBroadcast(value, 5u), subgroupBroadcast(value, 6u), subgroupBroadcast(value, 7u)),
  );
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = table[params.first_tile + (group.x >> 1u)];
  let slot = (group.x & 1u) * 8u;
  if (slot >= tile.y) {
    return;
  }
  let columns = params.width >> 2u;
  let row = tile.x + min(slot + lane, tile.y - 1u);
  let kv_stride = 2u * params.key_heads * columns;
  let k_at = row * kv_stride + group.y * columns;
  let v_at = k_at + params.key_heads * columns;
  let shared_heads = params.query_heads / params.key_heads;
  // This lane's own key and value stay in registers: a load costs as much as dozens of products.
  var k0 = Block();
  var v0 = Block();
  var k1 = Block();
  var v1 = Block();
  var k2 = Block();
  var v2 = Block();
  var k3 = Block();
  var v3 = Block();
  var k4 = Block();
  var v4 = Block();
  var k5 = Block();
  var v5 = Block();
  var k6 = Block();
  var v6 = Block();
  var k7 = Block();
  var v7 = Block();
  if (CHUNKS > 0u) {
    k0 = load_kv(k_at, 0u);
    v0 = load_kv(v_at, 0u);
  }
  if (CHUNKS > 1u) {
    k1 = load_kv(k_at, 1u);
    v1 = load_kv(v_at, 1u);
  }
  if (CHUNKS > 2u) {
    k2 = load_kv(k_at, 2u);
    v2 = load_kv(v_at, 2u);
  }
  if (CHUNKS > 3u) {
    k3 = load_kv(k_at, 3u);
    v3 = load_kv(v_at, 3u);
  }
  if (CHUNKS > 4u) {
    k4 = load_kv(k_at, 4u);
    v4 = load_kv(v_at, 4u);
  }
  if (CHUNKS > 5u) {
    k5 = load_kv(k_at, 5u);
    v5 = load_kv(v_at, 5u);
  }
  if (CHUNKS > 6u) {
    k6 = load_kv(k_at, 6u);
    v6 = load_kv(v_at, 6u);
  }
  if (CHUNKS > 7u) {
    k7 = load_kv(k_at, 7u);
    v7 = load_kv(v_at, 7u);
  }
  var dk0 = Block();
  var dv0 = Block();
  var dk1 = Block();
  var dv1 = Block();
  var dk2 = Block();
  var dv2 = Block();
  var dk3 = Block();
  var dv3 = Block();
  var dk4 = Block();
  var dv4 = Block();
  var dk5 = Block();
  var dv5 = Block();
  var dk6 = Block();
  var dv6 = Block();
  var dk7 = Block();
  var dv7 = Block();
  for (var member = 0u; member < shared_heads; member += 1u) {
    let head = group.y * shared_heads + member;
    for (var first = 0u; first < tile.w; first += 8u) {
      let live = first + lane < tile.w;
      let q_row = tile.z + min(first + lane, tile.w - 1u);
      let sight = table[params.first_query + q_row];
      let d_row = q_row - params.query_base;
      let q_at = q_row * params.query_stride + head * columns;
      let d_at = d_row * params.query_stride + head * columns;
      var s = Eight();
      var dp = Eight();
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
        s = add(s, products(k0, q0));
        dp = add(dp, products(v0, g0));
      }
      if (CHUNKS > 1u) {
        q1 = load_q(q_at, 1u);
        g1 = load_d_o(d_at, 1u);
        s = add(s, products(k1, q1));
        dp = add(dp, products(v1, g1));
      }
      if (CHUNKS > 2u) {
        q2 = load_q(q_at, 2u);
        g2 = load_d_o(d_at, 2u);
        s = add(s, products(k2, q2));
        dp = add(dp, products(v2, g2));
      }
      if (CHUNKS > 3u) {
        q3 = load_q(q_at, 3u);
        g3 = load_d_o(d_at, 3u);
        s = add(s, products(k3, q3));
        dp = add(dp, products(v3, g3));
      }
      if (CHUNKS > 4u) {
        q4 = load_q(q_at, 4u);
        g4 = load_d_o(d_at, 4u);
        s = add(s, products(k4, q4));
        dp = add(dp, products(v4, g4));
      }
      if (CHUNKS > 5u) {
        q5 = load_q(q_at, 5u);
        g5 = load_d_o(d_at, 5u);
        s = add(s, products(k5, q5));
        dp = add(dp, products(v5, g5));
      }
      if (CHUNKS > 6u) {
        q6 = load_q(q_at, 6u);
        g6 = load_d_o(d_at, 6u);
        s = add(s, products(k6, q6));
        dp = add(dp, products(v6, g6));
      }
      if (CHUNKS > 7u) {
        q7 = load_q(q_at, 7u);
        g7 = load_d_o(d_at, 7u);
        s = add(s, products(k7, q7));
        dp = add(dp, products(v7, g7));
      }
      let log_sums = all_lanes(lse[q_row * params.query_heads + head]);
      let deltas = all_lanes(delta[d_row * params.query_heads + head]);
      // Rows are far below 2^24, so they travel exactly as f32.
      let begins = all_lanes(f32(sight.x));
      let ends = all_lanes(select(0.0, f32(sight.y), live));
      let here = vec4(f32(row));
      let p = Eight(
        select(vec4(0.0), exp(s.low * params.scale - log_sums.low), (here >= begins.low) & (here < ends.low)),
        select(vec4(0.0), exp(s.high * params.scale - log_sums.high), (here >= begins.high) & (here < ends.high)),
      );
      let share = Eight(
        p.low * (dp.low - deltas.low) * params.scale,
        p.high * (dp.high - deltas.high) * params.scale,
      );
      if (CHUNKS > 0u) {
        dk0 = weighted(dk0, share, q0);
        dv0 = weighted(dv0, p, g0);
      }
      if (CHUNKS > 1u) {
        dk1 = weighted(dk1, share, q1);
        dv1 = weighted(dv1, p, g1);
      }
      if (CHUNKS > 2u) {
        dk2 = weighted(dk2, share, q2);
        dv2 = weighted(dv2, p, g2);
      }
      if (CHUNKS > 3u) {
        dk3 = weighted(dk3, share, q3);
        dv3 = weighted(dv3, p, g3);
      }
      if (CHUNKS > 4u) {
        dk4 = weighted(dk4, share, q4);
        dv4 = weighted(dv4, p, g4);
      }
      if (CHUNKS > 5u) {
        dk5 = weighted(dk5, share, q5);
        dv5 = weighted(dv5, p, g5);
      }
      if (CHUNKS > 6u) {
        dk6 = weighted(dk6, share, q6);
        dv6 = weighted(dv6, p, g6);
      }
      if (CHUNKS > 7u) {
        dk7 = weighted(dk7, share, q7);
        dv7 = weighted(dv7, p, g7);
      }
    }
  }
  if (slot + lane >= tile.y) {
    return;
  }
  let out_at = (row - params.key_base) * kv_stride + group.y * columns;
  let out_v = out_at + params.key_heads * columns;
  if (CHUNKS > 0u) {
    store(out_at, 0u, dk0);
    store(out_v, 0u, dv0);
  }
  if (CHUNKS > 1u) {
    store(out_at, 1u, dk1);
    store(out_v, 1u, dv1);
  }
  if (CHUNKS > 2u) {
    store(out_at, 2u, dk2);
    store(out_v, 2u, dv2);
  }
  if (CHUNKS > 3u) {
    store(out_at, 3u, dk3);
    store(out_v, 3u, dv3);
  }
  if (CHUNKS > 4u) {
    store(out_at, 4u, dk4);
    store(out_v, 4u, dv4);
  }
  if (CHUNKS > 5u) {
    store(out_at, 5u, dk5);
    store(out_v, 5u, dv5);
  }
  if (CHUNKS > 6u) {
    store(out_at, 6u, dk6);
    store(out_v, 6u, dv6);
  }
  if (CHUNKS > 7u) {
    store(out_at, 7u, dk7);
    store(out_v, 7u, dv7);
  }
}
