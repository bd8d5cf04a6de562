/** Serves the example page: bundles its script, and gives the demo model by ranges. */
import { fileURLToPath } from "node:url";

const folder = new URL("./", import.meta.url);
const demo = new URL("../demo/", import.meta.url);

/** Files of the demo that the page reads. */
const offered = [
  "model/config.json",
  "model/model.safetensors",
  "model/tokenizer.json",
  "model/tokenizer_config.json",
  "task/adaptation.jsonl",
];

/** Makes one script of a TypeScript file and all that it imports. */
export async function bundle(script: URL, platform: "browser" | "deno"): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", platform, fileURLToPath(script)],
    stdin: "null",
  }).output();
  if (!success) throw new Error(`Cannot bundle ${script}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** A file, or the range of it that was asked for. */
async function sendFile(file: URL, range: string | null): Promise<Response> {
  const bytes = await Deno.readFile(file);
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
  if (!match) return new Response(bytes);
  const [first, last] = [Number(match[1]), Math.min(Number(match[2]), bytes.length - 1)];
  if (first > last) return new Response(null, { status: 416 });
  return new Response(bytes.subarray(first, last + 1), {
    status: 206,
    headers: { "Content-Range": `bytes ${first}-${last}/${bytes.length}` },
  });
}

/** Answers the requests of the page. */
export async function createHandler(): Promise<(request: Request) => Promise<Response> | Response> {
  const script = await bundle(new URL("page.js", folder), "browser");
  const page = await Deno.readTextFile(new URL("index.html", folder));
  return (request) => {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "") return new Response(page, { headers: { "Content-Type": "text/html; charset=utf-8" } });
    if (path === "page.js") return new Response(script, { headers: { "Content-Type": "text/javascript" } });
    const file = path.replace(/^demo\//, "");
    if (path.startsWith("demo/") && offered.includes(file)) {
      return sendFile(new URL(file, demo), request.headers.get("Range"));
    }
    return new Response("not found\n", { status: 404 });
  };
}

if (import.meta.main) Deno.serve({ hostname: "127.0.0.1", port: 8080 }, await createHandler());
