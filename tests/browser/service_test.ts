/** The page of the service in a real browser: start, follow, cancel and finish jobs; the token; accessibility. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { withFolder } from "../support/temporary_folder.ts";
import { accessibilityViolations, withPage } from "../support/browser.ts";
import { ServiceProcess } from "../support/service_process.ts";

const token = "token-of-the-page-test";

async function withServicePage(
  env: Record<string, string>,
  options: Parameters<typeof withPage>[0],
  use: (page: Page, service: ServiceProcess, problems: readonly string[]) => Promise<void>,
): Promise<void> {
  await withFolder({ "models/.keep": "" }, async (folder) => {
    const service = await ServiceProcess.start(folder, { SECATEUR_ENGINE: "auto", ...env });
    try {
      await withPage(options, async ({ page, problems, requests }) => {
        await page.goto(service.url);
        await use(page, service, problems);
        assertEquals(requests.filter((url) => !url.startsWith(service.url) && !url.startsWith("data:")), []);
      });
    } finally {
      await service.stop();
    }
  });
}

/** What went wrong in a page, without the requests that it gave up itself: by closing a stream or by being left. */
function withoutAborted(problems: readonly string[]): string[] {
  return problems.filter((problem) => !/^no answer: \S+ net::ERR_ABORTED$/.test(problem));
}

Deno.test("the service's page starts a job, follows it and shows its results and report", async () => {
  await withServicePage({}, {}, async (page, service, problems) => {
    await page.getByLabel("Labelled examples").fill("4");
    await page.getByLabel("Test examples").fill("16");
    assertEquals(await page.getByLabel("Model").inputValue(), "demo");
    // By keyboard alone.
    await page.getByLabel("Seed").press("Enter");
    await page.getByText("demo_hotel_notes is done.").waitFor();
    await page.getByRole("row", { name: /^unpruned/ }).waitFor();
    assertEquals(await accessibilityViolations(page), []);

    const [job] = (await service.json("/v1/jobs")).jobs;
    assertEquals(new URL(page.url()).hash, `#${job.id}`);
    const run = await service.json(`/v1/jobs/${job.id}/results`);
    const cells = await page.getByRole("row", { name: /^pruned/ }).getByRole("cell").allTextContents();
    assertEquals(cells[0], `${(100 * run.test.pruned.acc.accuracy).toFixed(1)} %`);
    assertMatch(await page.getByRole("row", { name: /^chosen/ }).textContent() ?? "", /layer \d|no pruning/);

    const opened = page.context().waitForEvent("page");
    await page.getByRole("link", { name: "Report", exact: true }).click();
    const report = await opened;
    await report.waitForLoadState();
    assertMatch(await report.title(), /^Secateur: demo/);
    assertEquals(await report.evaluate("origin"), "null");
    await report.close();

    // After a reload the same job is there; it can be deleted.
    await page.reload();
    await page.getByRole("row", { name: /^unpruned/ }).waitFor();
    await page.getByRole("button", { name: /^Delete the job/ }).click();
    await page.getByRole("heading", { name: "Jobs" }).waitFor({ state: "hidden" });
    assertEquals((await service.json("/v1/jobs")).jobs, []);
    assertEquals(withoutAborted(problems), []);
  });
});

Deno.test("the service's page shows the job that its address names, with the rows that were left out", async () => {
  await withServicePage({}, {}, async (page, service, problems) => {
    const { rows, ...rest } = await service.json("/v1/example");
    const { id } = await service.submit({
      ...rest,
      rows: { ...rows, test: [{}, ...rows.test.slice(0, 4)] },
      adaptation: { count: 2 },
      score: { nodes: 2 },
      skipBadRows: true,
    });
    await page.goto(`${service.url}/#${id}`);
    const row = page.getByRole("row", { name: /^rows left out/ });
    await row.waitFor();
    assertEquals(await row.getByRole("cell").allTextContents(), ["1 of test"]);
    assertEquals(await page.getByRole("row", { name: /^prompts cut/ }).count(), 0);
    assertEquals(withoutAborted(problems), []);
  });
});

Deno.test("the service's page cancels a job that runs and one that waits", async () => {
  // Slow enough on every machine: nothing ends before it is cancelled.
  const env = { SECATEUR_ENGINE: "reference" };
  const phone = { colorScheme: "dark", viewport: { width: 390, height: 800 }, isMobile: true } as const;
  await withServicePage(env, phone, async (page, service, problems) => {
    await page.getByLabel("Labelled examples").fill("400");
    await page.getByLabel("Test examples").fill("512");
    const start = page.getByRole("button", { name: "Start", exact: true });
    await start.click();
    await page.getByText(/^score, \d+ nodes: /).waitFor();
    await start.click();
    await page.getByText("demo_hotel_notes waits, behind 1 other.").waitFor();
    assertEquals(await accessibilityViolations(page), []);
    // The list says it in the same moment, however long the service's own list takes.
    const cancelFromList = page.getByRole("button", { name: /^Cancel the job/ });
    await cancelFromList.nth(1).waitFor();
    const { promise: mayAnswer, resolve: letAnswer } = Promise.withResolvers<void>();
    await page.route(/\/v1\/jobs\?limit=/, async (route) => {
      await mayAnswer;
      await route.continue();
    });
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await page.getByText("demo_hotel_notes was cancelled.").waitFor();
    assertEquals(await cancelFromList.count(), 1);
    letAnswer();
    // The other one, from the list.
    await cancelFromList.click();
    await page.getByRole("row", { name: /cancelled/ }).nth(1).waitFor();
    const states = (await service.json("/v1/jobs")).jobs.map(({ state }: { state: string }) => state);
    assertEquals(states, ["cancelled", "cancelled"]);
    assertEquals(await page.evaluate("document.documentElement.scrollWidth > innerWidth"), false);
    assertEquals(withoutAborted(problems), []);
  });
});

Deno.test("the service's page asks for the token and says when it is wrong", async () => {
  await withServicePage({ SECATEUR_TOKEN: token }, {}, async (page, _service, problems) => {
    await page.getByLabel("Token of this service").fill("wrong");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").filter({ hasText: "The token is wrong" }).waitFor();
    assertEquals(await accessibilityViolations(page), []);
    await page.getByLabel("Token of this service").fill(token);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("button", { name: "Start", exact: true }).waitFor();
    assertEquals(await page.getByRole("alert").isVisible(), false);
    assertEquals(await page.evaluate("document.cookie"), "");
    await page.reload();
    await page.getByRole("button", { name: "Start", exact: true }).waitFor();
    // The browser's own words for the refused requests.
    assert(withoutAborted(problems).every((problem) => problem.includes("401")), problems.join("\n"));
  });
});
