/** Bytes in memory as a byte source. */
import { type ByteSource, checkRange } from "./byte_source.ts";

/** Serves bytes in memory; they are not copied. Reading throws RangeError outside them. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    // Async, so that a range error rejects the promise instead of being thrown at the call.
    // deno-lint-ignore require-await
    async readInto(offset, target) {
      checkRange(name, bytes.byteLength, offset, target.byteLength);
      target.set(bytes.subarray(offset, offset + target.byteLength));
    },
    close: () => Promise.resolve(),
  };
}
