/** Random access to the bytes of one file, wherever it lives: a local file, memory, or an HTTP range server. */
export interface ByteSource {
  /** A name for error messages, such as a file path. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Fills `target` with the bytes that start at `offset`.
   *
   * @throws {RangeError} If the range does not lie inside the source.
   */
  readInto(offset: number, target: Uint8Array): Promise<void>;
  /** Releases the handle. Reading afterwards is an error. */
  close(): Promise<void>;
}
