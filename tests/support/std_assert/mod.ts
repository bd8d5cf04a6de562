/**
 * The names of JSR's `@std/assert` that our tests use, over `node:assert`, for machines that cannot reach JSR.
 * `deno.json` links this folder in place of `jsr:@std/assert`; remove the link and the tests use the real one.
 */
import nodeAssert from "node:assert/strict";

/** Throws when `expr` is falsy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  nodeAssert.ok(expr, msg || "expected a truthy value");
}

/** Throws when the two values are not deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, msg);
}

/** Throws when the two values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, msg);
}

/** Throws when the values are not the same by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  nodeAssert.strictEqual(actual, expected, msg);
}

/** Throws unless `|actual - expected| <= tolerance` (default: 1e-7 of the larger magnitude). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? 1e-7 * Math.max(Math.abs(actual), Math.abs(expected));
  if (Math.abs(actual - expected) <= allowed) return;
  throw new nodeAssert.AssertionError({
    message: `${msg ? msg + ": " : ""}expected ${actual} to be within ${allowed} of ${expected}`,
    actual,
    expected,
  });
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  nodeAssert.ok(
    actual.includes(expected),
    msg ?? `expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  nodeAssert.match(actual, expected, msg);
}

/** Throws when `actual` is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  nodeAssert.ok(actual !== undefined && actual !== null, msg ?? "expected a value that is not null or undefined");
}

/** Throws unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.ok(actual > expected, msg ?? `expected ${actual} > ${expected}`);
}

/** Throws unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.ok(actual >= expected, msg ?? `expected ${actual} >= ${expected}`);
}

/** Throws unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.ok(actual < expected, msg ?? `expected ${actual} < ${expected}`);
}

/** Throws unless `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.ok(actual <= expected, msg ?? `expected ${actual} <= ${expected}`);
}

/** Throws unless `error` is an instance of `ErrorClass` whose message includes `msgIncludes`. */
export function assertIsError<E extends Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: new (...args: any[]) => E,
  msgIncludes?: string | RegExp,
  msg?: string,
): asserts error is E {
  nodeAssert.ok(error instanceof Error, msg ?? `expected an Error, got ${String(error)}`);
  if (ErrorClass) {
    nodeAssert.ok(
      error instanceof ErrorClass,
      msg ?? `expected ${ErrorClass.name}, got ${error.constructor.name}: ${error.message}`,
    );
  }
  if (typeof msgIncludes === "string") assertStringIncludes(error.message, msgIncludes, msg);
  else if (msgIncludes) assertMatch(error.message, msgIncludes, msg);
}

/** Throws unless `fn` throws (an `ErrorClass` whose message includes `msgIncludes`); returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    assertIsError<E>(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "expected the function to throw" });
}

/** Throws unless `fn` rejects (with an `ErrorClass` whose message includes `msgIncludes`); returns the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    assertIsError<E>(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "expected the promise to reject" });
}
