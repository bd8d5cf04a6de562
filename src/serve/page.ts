/** The web page of the service: three files without a framework that ask nobody but the service. */
import { fileURLToPath } from "node:url";
import { readFile } from "node:fs/promises";

const types = { "index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript" } as const;

/** Names of the files of the page. */
export type PageFile = keyof typeof types;

/** What the page may do: nothing but use its own files and this service. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** What a report may do: show itself. Its origin is none, so its scripts cannot use the caller's cookie. */
export const reportPolicy = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "frame-ancestors 'none'",
  "sandbox allow-scripts allow-popups",
].join("; ");

async function read(name: PageFile): Promise<string> {
  const url = new URL(`./page/${name}`, import.meta.url);
  return url.protocol === "file:" ? await readFile(fileURLToPath(url), "utf8") : await (await fetch(url)).text();
}

const texts = new Map<PageFile, Promise<string>>();

/** Answers with a file of the page. */
export async function pageResponse(name: PageFile): Promise<Response> {
  let text = texts.get(name);
  if (text === undefined) texts.set(name, text = read(name));
  return new Response(await text, {
    headers: {
      "content-type": `${types[name]}; charset=utf-8`,
      "content-security-policy": policy,
      "cache-control": "no-cache",
    },
  });
}
