/** How many bytes this process has read: what shows that a file is read once. */
import { readFile } from "node:fs/promises";
import process from "node:process";

/**
 * Bytes that this process reads from files while something is done, what is read to start a module included; null where
 * the system does not count them.
 */
export async function bytesReadDuring(work: () => Promise<unknown>): Promise<number | null> {
  const before = await bytesRead();
  await work();
  const after = await bytesRead();
  return before === null || after === null ? null : after - before;
}

async function bytesRead(): Promise<number | null> {
  if (process.platform !== "linux") return null;
  return Number(/^rchar: (\d+)$/m.exec(await readFile("/proc/self/io", "utf8"))![1]);
}
