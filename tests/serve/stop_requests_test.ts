/** Requests to stop: an echo of the first is none of its own. */
import { assertEquals } from "@std/assert";
import { StopRequests } from "../../src/serve/stop_requests.ts";

Deno.test("StopRequests tells the first request, what echoes it, and a later one", () => {
  const requests = new StopRequests();
  assertEquals([1000, 1000, 1001, 1499, 1500, 9000].map((now) => requests.take(now)), [
    "first",
    "echo",
    "echo",
    "echo",
    "again",
    "again",
  ]);
});
