/** Errors of the operating system by name: by their code, by their number, by what caused them. */
import { assertEquals } from "@std/assert";
import { open } from "node:fs/promises";
import { constants } from "node:os";
import process from "node:process";
import { isDiskFull } from "../../src/checkpoint/atomic_file.ts";
import { systemErrorName } from "../../src/checkpoint/system_error.ts";
import { describeError } from "../../src/cli/errors.ts";

/** As some errors of files are: the number alone. */
function numbered(number: number): Error {
  return new Error(`Something (os error ${number})`);
}

Deno.test("systemErrorName() reads codes, numbers of this system and causes, and takes no other code for one", () => {
  assertEquals(systemErrorName(Object.assign(new Error("x"), { code: "EROFS" })), "EROFS");
  const five = process.platform === "win32" ? "EACCES" : "EIO";
  assertEquals(systemErrorName(new Error("x", { cause: new Error("y", { cause: numbered(5) }) })), five);
  // The code of the outer error says nothing of the system.
  const outer = Object.assign(new Error("x", { cause: numbered(2) }), { code: "ERR_STREAM_DESTROYED" });
  assertEquals(systemErrorName(outer), "ENOENT");
  assertEquals(systemErrorName(new DOMException("x", "AbortError")), undefined);
  assertEquals(systemErrorName(numbered(99999)), undefined);
  assertEquals(systemErrorName("ENOENT"), undefined);
});

Deno.test("isDiskFull() knows a full disk, a quota and a limit by the numbers of this system, and the program's hint follows it", async () => {
  const { ENOSPC, EDQUOT, EFBIG, EIO, EACCES } = constants.errno;
  const full = process.platform === "win32" ? [39, 112, 1295] : [ENOSPC, EDQUOT, EFBIG];
  const hint = (error: unknown) => describeError(error).lines[1]?.startsWith("Hint: free some space") ?? false;
  for (const number of full) {
    const error = new Error("Cannot write x", { cause: numbered(number) });
    assertEquals([isDiskFull(error), hint(error)], [true, true], `${number}`);
  }
  for (const error of [numbered(EIO), numbered(EACCES), new Error("x"), null]) {
    assertEquals([isDiskFull(error), hint(error)], [false, false], `${error}`);
  }
  if (process.platform === "linux") {
    const handle = await open("/dev/full", "w");
    const error = await handle.write("x").catch((error) => error);
    await handle.close();
    assertEquals([isDiskFull(error), hint(error)], [true, true]);
  }
});
