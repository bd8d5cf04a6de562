/** Events of a job: kept in bounds, sent in order, and gone on with where a connection broke. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventStream } from "../../src/serve/event_stream.ts";
import { JobEvents } from "../../src/serve/job_events.ts";
import type { JobState, JobView } from "../../src/serve/job_state.ts";
import { longRequest, withService } from "../support/service.ts";

interface SentEvent {
  readonly id: string;
  readonly event: string;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Reads events until the stream ends, or as many as are wanted. */
async function readEvents(answer: Response, most = Infinity): Promise<SentEvent[]> {
  const events: SentEvent[] = [];
  let text = "";
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (id !== undefined) events.push({ id, event, data: JSON.parse(data) });
      if (events.length === most) return events;
    }
  }
  return events;
}

function view(state: JobState): JobView {
  const times = { createdAt: "", startedAt: null, finishedAt: null };
  return { id: "j", state, model: "m", task: "t", ...times, attempts: 0, error: null, ahead: null, progress: null };
}

const step = (done: number, stage = "score") => ({ stage, done, total: 1_000_000, unit: "waves" });

Deno.test("JobEvents keeps a bounded number of events and says when some were missed", () => {
  const events = new JobEvents();
  const start = events.latestId;
  assertEquals(events.after(start), []);
  events.state(view("running"), false);
  const first = events.latestId;
  for (let i = 0; i < 400; i++) events.progress(step(i), 200 * i);
  assertEquals(events.after(first), null);
  const recent = `${first.split("-")[0]}-300`;
  assertEquals(events.after(recent)!.length, Number(events.latestId.split("-")[1]) - 300);
  assertEquals(events.after(recent)!.at(-1)!.data, step(399));
  for (const id of ["", "0-0", "ffffffff-1", `${recent}9`, "../..", `${first.split("-")[0]}-${"9".repeat(30)}`]) {
    assertEquals(events.after(id), null, id);
  }
  events.state(view("done"), true);
  assertEquals(events.after(recent), null);
});

Deno.test("JobEvents drops steps that follow each other closely, but not the first or last of a stage", () => {
  const events = new JobEvents();
  const start = events.latestId;
  for (let i = 0; i <= 1000; i++) events.progress({ ...step(i), total: 1000 }, i / 10);
  events.progress(step(0, "search"), 101);
  const done = events.after(start)!.map(({ data }) => (data as { done: number }).done);
  assertEquals([done.at(0), done.slice(-2)], [0, [1000, 0]]);
  assert(done.length <= 5, `${done}`);
});

/** A service that stays open. */
const open = new AbortController().signal;

Deno.test("eventStream() sends a heartbeat when nothing happens, and stops listening when the caller goes", async () => {
  const events = new JobEvents();
  let ended = 0;
  const answer = eventStream({ events, view: () => view("running") }, events.latestId, open, () => ended++, 1);
  const reader = answer.body!.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), ": still here\n\n");
  assertEquals(events.listeners, 1);
  const pending = reader.read();
  await reader.cancel();
  await pending;
  assertEquals([events.listeners, ended], [0, 1]);
});

Deno.test("eventStream() sends what was missed and ends when the service closes", async () => {
  const events = new JobEvents();
  const seen = events.latestId;
  const closing = new AbortController();
  let ended = 0;
  const answer = eventStream({ events, view: () => view("running") }, seen, closing.signal, () => ended++);
  const text = answer.text();
  await new Promise((resolve) => setTimeout(resolve, 10));
  events.state(view("queued"), false);
  closing.abort();
  assertMatch(await text, /^id: \S+\nevent: state\ndata: .*"queued".*\n\n$/);
  assertEquals([events.listeners, ended], [0, 1]);
});

Deno.test("events of a job go on where the caller was, begin with the state for others, and end with the job", async () => {
  await withService({}, async (test) => {
    const blocker = await test.submit(longRequest());
    const { id } = await test.submit();
    const follow = (lastEventId?: string) =>
      test.call(`/v1/jobs/${id}/events`, lastEventId ? { headers: { "last-event-id": lastEventId } } : {});
    const whole = follow().then(readEvents);
    const broken = await follow().then((answer) => readEvents(answer, 1));
    assertEquals(broken.map(({ event, data }) => [event, data.state]), [["state", "queued"]]);
    await test.call(`/v1/jobs/${blocker.id}/cancel`, { method: "POST" });
    const all = await whole;
    assertEquals(all.filter(({ event }) => event === "state").map(({ data }) => data.state), [
      "queued",
      "running",
      "done",
    ]);
    const stages = all.filter(({ event }) => event === "progress").map(({ data }) => data.stage);
    for (const stage of ["score, 2 nodes", "search", "evaluate"]) assert(stages.includes(stage), `${stages}`);

    // A job that has ended sends its last state to whoever has not seen it, and then nothing.
    const late = await readEvents(await follow(broken[0].id));
    assertEquals(late.map(({ event, data }) => [event, data.state]), [["state", "done"]]);
    assertEquals((await follow(all.at(-1)!.id)).status, 204);
    await test.restart();
    const other = await readEvents(await follow(all.at(-1)!.id));
    assertEquals(other.map(({ data }) => data.state), ["done"]);
    assertMatch(await (await test.call("/metrics")).text(), /^secateur_followers 0$/m);
  });
});

Deno.test("events of a running job are sent once each when the connection breaks after every one", async () => {
  await withService({}, async (test) => {
    const { id } = await test.submit();
    const seen: SentEvent[] = [];
    for (;;) {
      const headers: Record<string, string> = seen.length > 0 ? { "last-event-id": seen.at(-1)!.id } : {};
      const answer = await test.call(`/v1/jobs/${id}/events`, { headers });
      if (answer.status === 204) break;
      seen.push(...await readEvents(answer, 1));
    }
    const numbers = seen.map((event) => Number(event.id.split("-")[1]));
    assertEquals(new Set(numbers).size, numbers.length);
    assertEquals(numbers, numbers.toSorted((a, b) => a - b));
    assertEquals(seen.at(-1)!.data.state, "done");
  });
});

Deno.test("a caller is refused when too many follow events", async () => {
  await withService({ followers: 1 }, async (test) => {
    const { id } = await test.submit(longRequest());
    const first = await test.call(`/v1/jobs/${id}/events`);
    const second = await test.call(`/v1/jobs/${id}/events`);
    assertEquals([second.status, second.headers.get("retry-after")], [503, "10"]);
    await second.body!.cancel();
    await first.body!.cancel();
    const third = await test.call(`/v1/jobs/${id}/events`);
    assertEquals(third.status, 200);
    await third.body!.cancel();
  });
});
