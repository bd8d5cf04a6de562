/** A headless Chromium for tests: pages that keep what went wrong in them, and an accessibility check. */
import axe from "axe-core";
import { type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { chromiumAdvice, findChromium } from "../../tools/chromium.ts";

/** How to open a page. */
export interface PageOptions {
  /** Colours the page is asked for. Default `light`. */
  readonly colorScheme?: "light" | "dark";
  /** Default 1280 x 900. */
  readonly viewport?: { readonly width: number; readonly height: number };
  /** A touch screen with two device pixels a pixel, as phones have. Default false. */
  readonly isMobile?: boolean;
  /** Whether the page's scripts run. Default true. */
  readonly javaScriptEnabled?: boolean;
  /** Lets the page have WebGPU, on Chromium's own software adapter. Default false. */
  readonly webgpu?: boolean;
}

/** A page and what went wrong in it so far: errors and warnings on the console, exceptions, failed requests. */
export interface TestPage {
  readonly page: Page;
  readonly problems: readonly string[];
  /** Every URL that was asked for, in order. */
  readonly requests: readonly string[];
}

/**
 * Starts a browser, lets `use` work with one page of it, and closes it whatever happens.
 *
 * @throws {Error} If there is no Chromium: tests fail then, they are never skipped.
 */
export async function withPage<Result>(
  options: PageOptions,
  use: (page: TestPage) => Promise<Result> | Result,
): Promise<Result> {
  const found = await findChromium();
  if (found === null) throw new Error(`Cannot open a page without Chromium: ${await chromiumAdvice()}`);
  const { webgpu = false, isMobile = false, viewport = { width: 1280, height: 900 }, ...rest } = options;
  const browser = await chromium.launch({
    executablePath: found.path,
    args: webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : [],
  });
  try {
    const contextOptions: BrowserContextOptions = {
      ...rest,
      viewport,
      locale: "en-GB",
      timezoneId: "UTC",
      reducedMotion: "reduce",
      ...(isMobile && { isMobile, hasTouch: true, deviceScaleFactor: 2 }),
    };
    const context = await browser.newContext(contextOptions);
    // For a machine with much else to do; what is waited for comes at once otherwise.
    context.setDefaultTimeout(180_000);
    const page = await context.newPage();
    const problems: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
    page.on("request", (request) => requests.push(request.url()));
    page.on("requestfailed", (request) => problems.push(`no answer: ${request.url()} ${request.failure()?.errorText}`));
    return await use({ page, problems, requests });
  } finally {
    await browser.close();
  }
}

/**
 * What axe finds on a page as it is now, one line per rule and element. By default only violations of serious and
 * critical impact; `all` lists minor ones too.
 */
export async function accessibilityViolations(page: Page, which: "serious" | "all" = "serious"): Promise<string[]> {
  // Evaluated by the debugger, so a strict content security policy does not stand in the way.
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    return (await axe.run()).violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact: impact ?? "minor",
      help,
      targets: nodes.map((node) => node.target.join(" ")),
    }));
  });
  return violations
    .filter(({ impact }) => which === "all" || impact === "serious" || impact === "critical")
    .flatMap(({ id, impact, help, targets }) => targets.map((target) => `${id} (${impact}): ${help}: ${target}`));
}
