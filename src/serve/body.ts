/** Reading the body of a request: not more than allowed, and not for longer. */
import { ProblemError } from "./problem.ts";

/** What a body may take. */
export interface BodyLimits {
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * Reads a body of JSON as text.
 *
 * @throws {ProblemError} Status 415 if it is not said to be JSON, 413 if it is too large, 408 if it comes too slowly,
 * 400 if it ends early or is not UTF-8.
 */
export async function readJsonText(request: Request, { bytes: most, seconds }: BodyLimits): Promise<string> {
  const type = request.headers.get("content-type")?.split(";")[0].trim().toLowerCase();
  if (type !== "application/json") {
    throw new ProblemError(415, `The body is ${type ?? "of no type"}, expected Content-Type: application/json`);
  }
  const coding = request.headers.get("content-encoding");
  if (coding !== null) {
    throw new ProblemError(415, `The body is compressed (${coding}), expected no Content-Encoding`);
  }
  const tooLarge = () => new ProblemError(413, `The body has more than ${most} bytes`);
  // Said beforehand, so nothing of it need be read.
  if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLarge();
  if (request.body === null) return "";
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ProblemError(408, `The body did not come within ${seconds} s`)),
      1000 * seconds,
    );
  });
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    while (true) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      total += value.byteLength;
      if (total > most) throw tooLarge();
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof ProblemError) throw error;
    throw new ProblemError(400, "The body broke off");
  } finally {
    clearTimeout(timer);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(whole);
  } catch {
    throw new ProblemError(400, "The body is not UTF-8");
  }
}
