/** That an attack which is refused late, or never, is a failure. */
import { assertRejects } from "@std/assert";
import process from "node:process";
import { type Attack, carryOut } from "../trust/attacks/attack.ts";

const refuse = () => Promise.reject(new RangeError("refused"));

function attackBy(attempt: Attack["attempt"]): Attack {
  return { name: "refuses", attempt, error: RangeError, message: "refused" };
}

Deno.test("carryOut() throws when an attack is refused only after much computing", async () => {
  const attack = attackBy(() => {
    const start = process.cpuUsage();
    for (let used = 0; used < 0.1e6;) {
      const { user, system } = process.cpuUsage(start);
      used = user + system;
    }
    return refuse();
  });
  await assertRejects(() => carryOut(attack, { processor: 0.09, clock: 300 }), Error, "s of computing, expected 0.09");
});

Deno.test("carryOut() throws when an attack waits for ever", async () => {
  const attack = attackBy(() => new Promise(() => {}));
  await assertRejects(() => carryOut(attack, { processor: 20, clock: 0.01 }), Error, "still waits after 0.01 s");
});

Deno.test("carryOut() is content when an attack is refused at once", () => carryOut(attackBy(refuse)));
