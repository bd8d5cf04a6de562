/**
 * Dividing work between processes: which units each of n shards does. It follows from the work alone, so shards need
 * not know of each other, and every unit is done by exactly one of them.
 */

/** One of several parts of a job. */
export interface Shard {
  /** Which one, from 1 to `count`. */
  readonly index: number;
  /** How many there are. */
  readonly count: number;
}

/** Most shards of a job. */
export const mostShards = 100_000;

/** @throws {RangeError} If it is not one of its parts. */
export function checkShard({ index, count }: Shard): void {
  const isCount = Number.isInteger(count) && count >= 1 && count <= mostShards;
  if (isCount && Number.isInteger(index) && index >= 1 && index <= count) return;
  throw new RangeError(
    `Cannot do shard ${index} of ${count}: expected shards 1 to N, N an integer in 1..${mostShards}`,
  );
}

/**
 * Reads `2/6`; or `auto` and `auto/6`, which take the place of this process in an array job from the environment: of
 * Slurm (SLURM_ARRAY_TASK_ID, counted from SLURM_ARRAY_TASK_MIN, of SLURM_ARRAY_TASK_COUNT), or of a Kubernetes indexed
 * job (JOB_COMPLETION_INDEX, from 0; it does not say of how many). With `auto/6`, an array of fewer tasks than 6 makes
 * the shards of its tasks' numbers, counted from 1: `--array=2,5` makes shards 2 and 5.
 *
 * @throws {RangeError} If the text is something else, or the environment does not say.
 */
export function parseShard(text: string, environment: (name: string) => string | undefined): Shard {
  const fixed = /^(\d+)\/(\d+)$/.exec(text);
  if (fixed) {
    const shard = { index: Number(fixed[1]), count: Number(fixed[2]) };
    checkShard(shard);
    return shard;
  }
  const auto = /^auto(?:\/(\d+))?$/.exec(text);
  if (!auto) throw new RangeError(`Cannot read the shard ${JSON.stringify(text)}: expected I/N, auto or auto/N`);
  const integer = (name: string) => {
    const value = environment(name);
    if (value === undefined || value === "") return undefined;
    if (!/^\d+$/.test(value)) throw new RangeError(`Cannot use ${name}=${value}: expected a whole number`);
    return Number(value);
  };
  const task = integer("SLURM_ARRAY_TASK_ID");
  const completion = integer("JOB_COMPLETION_INDEX");
  const named = auto[1] === undefined ? undefined : Number(auto[1]);
  // An array that does not have a task for every shard was cut down to some of them, which keep their numbers.
  const isWhole = named === undefined || integer("SLURM_ARRAY_TASK_COUNT") === named;
  const index = task !== undefined
    ? isWhole ? task - (integer("SLURM_ARRAY_TASK_MIN") ?? 1) + 1 : task
    : completion !== undefined
    ? completion + 1
    : undefined;
  if (index === undefined) {
    throw new RangeError(
      `Cannot find the place of this process: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; expected I/N`,
    );
  }
  const count = named ?? integer("SLURM_ARRAY_TASK_COUNT");
  if (count === undefined) {
    throw new RangeError(`Cannot find the number of shards: SLURM_ARRAY_TASK_COUNT is not set; expected auto/N`);
  }
  checkShard({ index, count });
  return { index, count };
}

/**
 * Divides units so that the shards cost about the same: the dearest unit first, each to the shard that has least so far
 * (Graham 1969: at most 4/3 of the best division). Ties go to the lower unit and the lower shard.
 *
 * @param costs Cost of each unit, at least 0.
 * @returns For each shard, its units, ascending.
 */
export function divideUnits(costs: readonly number[], count: number): number[][] {
  const order = [...costs.keys()].sort((a, b) => costs[b] - costs[a] || a - b);
  // A heap of [load, shard]: thousands of shards and units are common.
  const heap = Array.from({ length: count }, (_, shard) => ({ load: 0, shard }));
  const before = (a: number, b: number) =>
    heap[a].load < heap[b].load || (heap[a].load === heap[b].load && heap[a].shard < heap[b].shard);
  const units: number[][] = Array.from({ length: count }, () => []);
  for (const unit of order) {
    units[heap[0].shard].push(unit);
    heap[0] = { ...heap[0], load: heap[0].load + costs[unit] };
    for (let at = 0;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < count && before(left, least)) least = left;
      if (right < count && before(right, least)) least = right;
      if (least === at) break;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }
  return units.map((list) => list.sort((a, b) => a - b));
}

/**
 * Relative costs of the paths of a layer: rows that pass a layer, forward and backward. A path of layer l runs its rows
 * through the layers above l, forward and back, for each node, and once forward for its switched-off end. Low layers
 * cost more.
 *
 * @param rows Rows of one node: the prompt's tokens, or 1 where only the last position is scaled.
 * @param layer Null for the joint path, which starts in layer 0.
 */
export function pathCost(rows: number, layer: number | null, layers: number, nodes: number): number {
  return rows * (layers - (layer ?? 0)) * (2 * nodes + 1);
}
