/**
 * Jobs on disk: one folder each, which appears whole or not at all. `state.json` says where the job stands,
 * `request.json`, `task.yaml` and `rows/` what it is asked, `results/` what came of it.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import { removeLeftovers, syncFolder, writeFileAtomic, writeNewFile } from "../checkpoint/atomic_file.ts";
import { writeFolderAtomic } from "../checkpoint/atomic_folder.ts";
import { isBlocked } from "../checkpoint/system_error.ts";
import { type JobPaths, jobPaths } from "./job_paths.ts";
import type { JobRequest, RequestRow } from "./job_request.ts";
import { newState, parseState, type SavedState, serialiseState } from "./job_state.ts";

const idPattern = /^[0-9a-z]{9}[0-9a-f]{16}$/;

/** Whether a text can be the id of a job; nothing else is ever made a path of. */
export function isJobId(text: string): boolean {
  return idPattern.test(text);
}

/** The text of a file of rows. */
function jsonLines(rows: readonly RequestRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** Thrown where another service uses the folder of jobs. */
export class JobsInUseError extends Error {
  /** Tells this error from others by name. */
  override readonly name = "JobsInUseError";
}

/** The folder of all jobs. */
export class JobStore {
  #latest = 0;

  private constructor(readonly folder: string, readonly lock: Deno.FsFile) {}

  /**
   * Opens the folder, which only one service at a time may use.
   *
   * @throws {JobsInUseError} If another service uses it.
   * @throws {RangeError} If a file is in its place. What the system says of a folder that cannot be written is
   * passed on.
   */
  static async open(folder: string): Promise<JobStore> {
    await mkdir(folder, { recursive: true }).catch((error) => {
      if (!isBlocked(error)) throw error;
      throw new RangeError(`Cannot serve jobs in ${folder}: a file is in its place`, { cause: error });
    });
    const lock = await Deno.open(join(folder, ".lock"), { create: true, write: true });
    if (!await lock.tryLock(true)) {
      lock.close();
      throw new JobsInUseError(`Cannot serve jobs in ${folder}: another service is using it`);
    }
    await removeLeftovers(folder);
    return new JobStore(folder, lock);
  }

  /** Lets another service have the folder. */
  close(): void {
    this.lock.close();
  }

  /** Where the files of a job are. */
  paths(id: string): JobPaths {
    if (!isJobId(id)) throw new RangeError(`Cannot find job ${JSON.stringify(id)}: this is no id of a job`);
    return jobPaths(join(this.folder, id));
  }

  /** A new id: ids in order are jobs in the order in which they came. */
  #newId(): string {
    this.#latest = Math.max(Date.now(), this.#latest + 1);
    return this.#latest.toString(36).padStart(9, "0") + randomBytes(8).toString("hex");
  }

  /** Writes a new job. When this returns it is on the disk. */
  async create({ task, rows, ...request }: JobRequest): Promise<SavedState> {
    const id = this.#newId();
    const state = newState({ id, model: request.model, task: task.task });
    const files = Object.fromEntries(Object.keys(rows).map((split) => [split, `rows/${split}.jsonl`]));
    const { folder: target, state: marker } = this.paths(id);
    await writeFolderAtomic(target, basename(marker), false, async (folder) => {
      const paths = jobPaths(folder);
      await mkdir(join(folder, "rows"));
      await mkdir(paths.results);
      for (const [split, list] of Object.entries(rows)) await writeNewFile(join(folder, files[split]), jsonLines(list));
      await syncFolder(join(folder, "rows"));
      // YAML includes JSON.
      await writeNewFile(paths.task, `${JSON.stringify({ ...task, data: files }, null, 2)}\n`);
      await writeNewFile(paths.request, `${JSON.stringify(request, null, 2)}\n`);
      await writeNewFile(paths.state, serialiseState(state));
    });
    return state;
  }

  /** Replaces the state of a job. */
  async save(state: SavedState): Promise<void> {
    await writeFileAtomic(this.paths(state.id).state, serialiseState(state));
  }

  /**
   * Reads every job, in the order in which they came.
   *
   * @throws {SyntaxError} If a state file is malformed; the message names it.
   */
  async load(): Promise<SavedState[]> {
    const states: SavedState[] = [];
    for (const id of (await readdir(this.folder)).filter(isJobId).sort()) {
      const { state: path } = this.paths(id);
      const content = await readFile(path).catch((error) => {
        // A deletion that was interrupted.
        if (error.code === "ENOENT") return null;
        throw error;
      });
      if (content === null) await this.remove(id);
      else states.push(parseState(path, content));
    }
    return states;
  }

  /** Deletes a job and everything in its folder. */
  async remove(id: string): Promise<void> {
    const { folder, state } = this.paths(id);
    // Without its state the folder counts as deleted, whatever interrupts the rest.
    await rm(state, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}
