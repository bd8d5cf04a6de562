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

/**
 * Checks the range of a read.
 *
 * @throws {RangeError} If it does not lie inside the source.
 */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > size) {
    throw new RangeError(`Cannot read ${length} bytes at ${offset} of ${name}: it has ${size} bytes`);
  }
}
