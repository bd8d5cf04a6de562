/** What the Workers of the service use of their global scope, typed by what they are told and tell. */

/** The part of a Worker's global scope that is used here. */
export interface WorkerScope<In, Out> {
  onmessage: ((event: MessageEvent<In>) => void) | null;
  postMessage(message: Out, transfer?: Transferable[]): void;
  /** Ends the Worker when the current task has ended. */
  close(): void;
}

/** The global scope of the Worker that calls it. */
export function workerScope<In, Out>(): WorkerScope<In, Out> {
  return globalThis as unknown as WorkerScope<In, Out>;
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
