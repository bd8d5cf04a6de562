/** The version of this program, from the one place that states it. */
import manifest from "../../deno.json" with { type: "json" };

/** Such as `0.1.0`. */
export const version: string = manifest.version;
