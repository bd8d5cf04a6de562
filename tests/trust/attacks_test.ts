/** Every attack of the corpus is refused, with an error that says why. */
import { attacks } from "./attacks/mod.ts";
import { carryOut } from "./attacks/attack.ts";

for (const list of Object.values(attacks)) {
  for (const attack of list) Deno.test(attack.name, () => carryOut(attack));
}
