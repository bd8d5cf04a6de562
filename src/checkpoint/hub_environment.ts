/** The variables that Python's `huggingface_hub` reads, read the same way. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { isAbsent } from "./system_error.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ENDPOINT = "https://huggingface.co";

function isOn(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? "");
}

/** Replaces a leading `~`, and `$NAME` and `${NAME}` where such a variable is set. */
function expand(path: string, environment: Environment): string {
  return path
    .replace(/^~(?=$|[/\\])/, () => environment.HOME || environment.USERPROFILE || homedir())
    .replaceAll(/\$(?:(\w+)|\{(\w+)\})/g, (whole, bare, braced) => environment[bare ?? braced] ?? whole);
}

function homeFolder(environment: Environment): string {
  const { HF_HOME, XDG_CACHE_HOME } = environment;
  return expand(HF_HOME || join(XDG_CACHE_HOME || join("~", ".cache"), "huggingface"), environment);
}

/** Folder of the cache: `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`. */
export function cacheFolder(environment: Environment): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  const named = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return resolve(named ? expand(named, environment) : join(homeFolder(environment), "hub"));
}

/** Whether `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` forbids the network. */
export function isOffline(environment: Environment): boolean {
  return isOn(environment.HF_HUB_OFFLINE || environment.TRANSFORMERS_OFFLINE);
}

/** Whether `HF_HUB_DISABLE_SYMLINKS` asks for files instead of symbolic links in snapshots. */
export function avoidsSymlinks(environment: Environment): boolean {
  return isOn(environment.HF_HUB_DISABLE_SYMLINKS);
}

/**
 * The hub's address, `HF_ENDPOINT` or the public one; it ends with a slash.
 *
 * @throws {RangeError} If it is no http or https address.
 */
export function endpoint(environment: Environment): URL {
  const text = environment.HF_ENDPOINT || DEFAULT_ENDPOINT;
  const url = URL.parse(`${text.replace(/\/+$/, "")}/`);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search &&
    !url.hash;
  if (isPlain) return url;
  throw new RangeError("Cannot use HF_ENDPOINT: expected an address such as https://huggingface.co");
}

/**
 * The token to identify with, or null: `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `token` in `HF_HOME`.
 *
 * @throws {RangeError} If it has characters that no token has; the message does not repeat it.
 */
export async function readToken(environment: Environment): Promise<string | null> {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN } = environment;
  if (isOn(HF_HUB_DISABLE_IMPLICIT_TOKEN)) return null;
  let token = (HF_TOKEN || HUGGING_FACE_HUB_TOKEN)?.trim();
  let source = "HF_TOKEN";
  if (!token) {
    source = HF_TOKEN_PATH ? expand(HF_TOKEN_PATH, environment) : join(homeFolder(environment), "token");
    token = await readFile(source, "utf8").then((text) => text.trim(), (error) => {
      if (isAbsent(error)) return "";
      throw error;
    });
  }
  if (token === "") return null;
  if (!/^[\x21-\x7e]+$/.test(token)) throw new RangeError(`Cannot use the token in ${source}: expected plain ASCII`);
  return token;
}
