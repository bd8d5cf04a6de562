/**
 * Every kernel is WGSL as browsers read it: stricter than Deno in places, and with `enable subgroups;` where they are
 * used.
 */
import { assert, assertEquals } from "@std/assert";
import * as kernels from "../../kernels/mod.ts";
import { enableSubgroups } from "../../src/gpu/kernel.ts";
import { withPage } from "../support/browser.ts";

interface Complaint {
  readonly name: string;
  readonly message: string;
}

Deno.test("every kernel compiles in Chromium when subgroups are enabled", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("<!doctype html><title>t</title>", { headers: { "Content-Type": "text/html" } }),
  );
  try {
    const texts = Object.entries(kernels).map(([name, code]) => [name, enableSubgroups(code)] as const);
    assert(texts.some(([, code]) => code.startsWith("enable")));
    const { complaints, features } = await withPage({ webgpu: true }, async ({ page }) => {
      await page.goto(`http://127.0.0.1:${server.addr.port}/`);
      return await page.evaluate(async (kernels) => {
        const adapter = await navigator.gpu.requestAdapter();
        if (!adapter) throw new Error("Chromium has no adapter");
        const device = await adapter.requestDevice({ requiredFeatures: ["subgroups"] });
        const complaints: Complaint[] = [];
        for (const [name, code] of kernels) {
          device.pushErrorScope("validation");
          const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
          await device.popErrorScope();
          const errors = messages.filter(({ type }) => type === "error");
          complaints.push(...errors.map(({ message, lineNum }) => ({ name, message: `line ${lineNum}: ${message}` })));
        }
        return { complaints, features: [...adapter.features] };
      }, texts);
    });
    assert(features.includes("subgroups"), features.join(", "));
    assertEquals(complaints, []);
  } finally {
    await server.shutdown();
  }
});
