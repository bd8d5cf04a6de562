/** Where the files of a job are. */
import { join } from "node:path";

/** Paths of a job's files. */
export interface JobPaths {
  /** Holds all the others. */
  readonly folder: string;
  /** Where the job stands. */
  readonly state: string;
  /** What was asked, without task and rows. */
  readonly request: string;
  readonly task: string;
  /** Folder of what came of it. */
  readonly results: string;
}

/** The paths of the job in a folder. */
export function jobPaths(folder: string): JobPaths {
  return {
    folder,
    state: join(folder, "state.json"),
    request: join(folder, "request.json"),
    task: join(folder, "task.yaml"),
    results: join(folder, "results"),
  };
}
