/** Files of a web server as byte sources, against servers that do and do not give ranges. */
import { assertEquals, assertRejects } from "@std/assert";
import { openHttpSource } from "../../src/checkpoint/http_source.ts";

const content = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);

/** A `fetch` that answers as a server would. */
function server(answer: (first: number, last: number) => Response) {
  const ranges: string[] = [];
  const ask = (_url: unknown, init?: RequestInit) => {
    const range = new Headers(init?.headers).get("Range")!;
    ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range)!.map(Number);
    return Promise.resolve(answer(first, last));
  };
  return { ranges, fetch: ask as typeof fetch };
}

function partial(first: number, last: number, total = content.length): Response {
  const headers = { "Content-Range": `bytes ${first}-${last}/${total}` };
  return new Response(content.slice(first, last + 1), { status: 206, headers });
}

Deno.test("openHttpSource() asks for the ranges that are read when the server gives them", async () => {
  const { ranges, fetch } = server(partial);
  const source = await openHttpSource("http://host/file", { fetch });
  const target = new Uint8Array(20);
  await source.readInto(300, target);
  await source.readInto(1000, new Uint8Array());
  assertEquals([source.size, target], [1000, content.slice(300, 320)]);
  assertEquals(ranges, ["bytes=0-0", "bytes=300-319"]);
  await assertRejects(() => source.readInto(990, target), RangeError, "it has 1000 bytes");
});

Deno.test("openHttpSource() keeps the whole file when the server gives no ranges", async () => {
  const { ranges, fetch } = server(() => new Response(content));
  const source = await openHttpSource("http://host/file", { fetch });
  const target = new Uint8Array(20);
  await source.readInto(300, target);
  assertEquals([source.size, target, ranges.length], [1000, content.slice(300, 320), 1]);
});

Deno.test("openHttpSource() refuses a file when it is missing or too large to keep", async () => {
  const missing = server(() => new Response("no", { status: 404 }));
  await assertRejects(() => openHttpSource("http://host/file", missing), RangeError, "answers with 404");
  const large = server(() => new Response(content, { headers: { "Content-Length": String(2 ** 31) } }));
  await assertRejects(() => openHttpSource("http://host/file", large), RangeError, "gives no ranges");
});

Deno.test("openHttpSource() refuses to read when the file changed or the server stopped giving ranges", async () => {
  let answer = partial;
  const source = await openHttpSource("http://host/file", server((first, last) => answer(first, last)));
  const read = () => source.readInto(0, new Uint8Array(10));
  answer = (first, last) => partial(first, last, 2000);
  await assertRejects(read, RangeError, "Cannot read 10 bytes at 0");
  answer = () => new Response(content);
  await assertRejects(read, RangeError, "200");
  answer = (first) => partial(first, first + 3);
  await assertRejects(read, RangeError, "got 4");
});
