/** Who may use the service: whoever presents the token, or, where there is none, callers on this machine. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ProblemError } from "./problem.ts";

/** Name of the cookie that stands for the token in a browser. */
export const cookieName = "secateur_session";

/** What decides about one request. */
export interface Caller {
  /** Value of the header `Authorization`. */
  readonly authorization: string | undefined;
  /** Value of the cookie. */
  readonly cookie: string | undefined;
  /** Value of the header `Host`. */
  readonly host: string | undefined;
  /** Value of the header `Origin`: where the page comes from that asks; undefined outside browsers. */
  readonly origin: string | undefined;
  /** Address of the other end of the connection; undefined where that is not known. */
  readonly address: string | undefined;
}

/** Whether two texts are equal, in a time that depends neither on where they differ nor on their lengths. */
export function equalsSecret(presented: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(presented), digest(secret));
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/.test(address);
}

/** Whether a `Host` names this machine: a page of elsewhere cannot make a name of its own mean this service. */
function isLocalName(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
}

/** Decides about requests. */
export class Access {
  readonly #token: string | null;
  readonly #session: string;

  /** @param token What callers must present; null for callers on this machine only. */
  constructor(token: string | null) {
    this.#token = token;
    // Made of the token, so it outlives a restart and ends with the token.
    this.#session = token === null ? "" : createHmac("sha256", token).update("secateur session").digest("hex");
  }

  /** Whether a token is asked for. */
  get needsToken(): boolean {
    return this.#token !== null;
  }

  /**
   * The value of a browser's cookie.
   *
   * @throws {ProblemError} Status 401 if the token is wrong, or there is none to present.
   */
  session(authorization: string | undefined): string {
    if (!this.#isBearer(authorization)) throw unauthorised(authorization !== undefined);
    return this.#session;
  }

  /**
   * Lets a caller pass.
   *
   * @throws {ProblemError} Status 401 if the token is missing or wrong, 403 if the caller is not on this machine or the
   * request comes from another site's page.
   */
  check(caller: Caller): void {
    if (this.#token === null) {
      if (!isLoopback(caller.address) || !isLocalName(caller.host)) {
        throw new ProblemError(403, "Only callers on this machine are answered: the service has no SECATEUR_TOKEN");
      }
      return checkOrigin(caller);
    }
    // Only someone who knows the token can send this header, so it does not matter from where.
    if (caller.authorization !== undefined) {
      if (!this.#isBearer(caller.authorization)) throw unauthorised(true);
      return;
    }
    if (caller.cookie === undefined || !equalsSecret(caller.cookie, this.#session)) throw unauthorised(false);
    checkOrigin(caller);
  }

  #isBearer(authorization: string | undefined): boolean {
    const [, presented] = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? "") ?? [];
    return presented !== undefined && this.#token !== null && equalsSecret(presented, this.#token);
  }
}

function unauthorised(isWrong: boolean): ProblemError {
  const detail = isWrong ? "The token is wrong" : "A token is needed: Authorization: Bearer TOKEN";
  return new ProblemError(401, detail, { "www-authenticate": "Bearer" });
}

/**
 * Refuses what the pages of other sites ask: a browser adds cookies, and its place on this machine, of its own accord.
 */
function checkOrigin({ origin, host }: Caller): void {
  if (origin === undefined) return;
  const isOwn = URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
  if (!isOwn) throw new ProblemError(403, `The request comes from a page of ${origin}`);
}
