/** The page of the service: starts a job, follows it by Server-Sent Events, and shows what came of it. */

const find = (id) => document.getElementById(id);

/** Makes an element with attributes and children; text is always text, never markup. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function showProblem(text) {
  find("problem").textContent = text;
  find("problem").hidden = text === "";
}

/** Asks the service; throws an error with its words where it refuses. */
async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  if (answer.status === 401) showAccess(true);
  const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
  throw new Error(problem.detail);
}

const askJson = async (path) => await (await ask(path)).json();

/** Runs what a person asked for, and says what went wrong with it. */
async function attempt(work) {
  showProblem("");
  try {
    await work();
  } catch (error) {
    showProblem(error.message);
  }
}

function showAccess(isNeeded) {
  find("access").hidden = !isNeeded;
  find("start").hidden = isNeeded;
  find("jobs").hidden = isNeeded;
  if (isNeeded) find("job").hidden = true;
}

const words = {
  queued: "waits",
  running: "runs",
  stopping: "is stopping",
  done: "is done",
  failed: "has failed",
  cancelled: "was cancelled",
};
const isFinal = (state) => ["done", "failed", "cancelled"].includes(state);
const share = (value) => value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;
const time = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });

let stream = null;
/** The job that is shown. */
let shownId = null;

function showState(job) {
  const { id, state, model, task, ahead, error } = job;
  find("job-title").textContent = `Job on ${model}`;
  const place = ahead === null ? "" : ahead === 0 ? ", next" : `, behind ${ahead} other${ahead === 1 ? "" : "s"}`;
  find("state").textContent = `${task} ${words[state]}${place}${error ? `: ${error}` : "."}`;
  find("work").hidden = isFinal(state);
  find("cancel").disabled = state === "stopping";
  find("cancel").onclick = () => attempt(() => ask(`v1/jobs/${id}/cancel`, { method: "POST" }));
  if (job.progress) showProgress(job.progress);
  else if (state === "queued") find("stage").textContent = "Waiting";
}

function showProgress({ stage, done, total, unit }) {
  find("stage").textContent = `${stage}: ${done} of ${total} ${unit}`;
  find("progress").value = total > 0 ? done / total : 0;
}

function table(caption, head, rows) {
  const cell = (kind, text, i) =>
    make(kind, { class: i > 0 ? "number" : null, scope: kind === "th" ? i === 0 ? "row" : "col" : null }, text);
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make(
      "table",
      {},
      make("caption", {}, caption),
      make(
        "thead",
        {},
        make("tr", {}, ...head.map((text, i) => make("th", { scope: "col", class: i > 0 ? "number" : null }, text))),
      ),
      make(
        "tbody",
        {},
        ...rows.map((row) => make("tr", {}, ...row.map((text, i) => cell(i === 0 ? "th" : "td", text, i)))),
      ),
    ),
  );
}

/** The record of a run, in tables. */
function describeRun(run) {
  const { metric } = run.search;
  const row = (name, evaluation) => {
    const { accuracy, standardError } = evaluation[metric];
    return [name, share(accuracy), share(standardError)];
  };
  const random = run.test.random.map((evaluation) => evaluation[metric].accuracy);
  const mean = random.reduce((sum, value) => sum + value, 0) / random.length;
  const { layer, fraction, neurons } = run.chosen;
  const chosen = layer === null ? "no pruning" : `layer ${layer}, ${share(fraction)} (${neurons} neurons)`;
  const { adaptation, test } = run.examples;
  // By split; absent where none was asked for or found.
  const count = (what, rows) =>
    rows ? [[what, Object.entries(rows).map(([split, n]) => `${n} of ${split}`).join(", ") || "none"]] : [];
  return [
    make("h3", {}, "Accuracy"),
    table(`On ${test.length} test examples`, ["model", "accuracy", "standard error"], [
      row("unpruned", run.test.unpruned),
      row("pruned", run.test.pruned),
      ["random neurons", share(mean), "–"],
      ...(run.test.randomSearched ? [row("random, searched", run.test.randomSearched)] : []),
      row("lowest attribution", run.test.lowest),
    ]),
    make("h3", {}, "Choice"),
    table(`From ${adaptation.length} labelled examples`, ["what", "value"], [
      ["chosen", chosen],
      ...count("rows left out", run.skippedRows),
      ...count("prompts cut", run.truncatedRows),
      ["others tied with it", `${run.tiedOnAccuracy - 1} of ${run.configurations} configurations`],
      ["worst completeness error", run.completeness.worst.toExponential(1)],
      ["computed on", run.engine.adapter],
      ["seconds", run.seconds.total.toFixed(1)],
    ]),
  ];
}

async function showResults({ id, state }) {
  const { files } = await askJson(`v1/jobs/${id}/files`);
  const parts = [];
  if (state === "done") parts.push(...describeRun(await askJson(`v1/jobs/${id}/results`)));
  if (files.some(({ name }) => name === "report.html")) {
    const link = make(
      "a",
      { class: "button", href: `v1/jobs/${id}/report`, target: "_blank", rel: "noopener" },
      "Report",
    );
    parts.unshift(make("p", {}, link));
  }
  const links = files.map(({ name, bytes }) =>
    make("li", {}, make("a", { href: `v1/jobs/${id}/files/${name}` }, name), ` (${bytes.toLocaleString()} bytes)`)
  );
  if (links.length > 0) parts.push(make("h3", {}, "Files"), make("ul", { class: "files" }, ...links));
  if (id === shownId) find("results").replaceChildren(...parts);
}

/** Shows a job and follows it until it has ended. */
function follow(id) {
  stream?.close();
  shownId = id;
  find("job").hidden = false;
  find("results").replaceChildren();
  find("state").textContent = "";
  find("stage").textContent = "Starting";
  find("progress").value = 0;
  // The browser opens a broken stream again and says what it saw last.
  stream = new EventSource(`v1/jobs/${id}/events`);
  stream.addEventListener("state", ({ data }) => {
    const job = JSON.parse(data);
    showState(job);
    // At once, so that the list never offers to cancel what has ended by what is said above it; then what else changed.
    showJobs(listed.map((other) => other.id === job.id ? { ...other, state: job.state } : other));
    listQuietly();
    if (isFinal(job.state)) {
      stream.close();
      attempt(() => showResults(job));
    }
  });
  stream.addEventListener("progress", ({ data }) => showProgress(JSON.parse(data)));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) showProblem("The service does not send what happens to this job.");
  });
}

function jobRow({ id, createdAt, model, task, state }) {
  const open = make("a", { id: `open-${id}`, href: `#${id}` }, time(createdAt));
  const action = isFinal(state) ? "Delete" : "Cancel";
  const act = () =>
    attempt(async () => {
      if (action === "Cancel") await ask(`v1/jobs/${id}/cancel`, { method: "POST" });
      else {
        await ask(`v1/jobs/${id}`, { method: "DELETE" });
        if (id === shownId) {
          find("job").hidden = true;
          location.hash = "";
        }
      }
      await listJobs();
    });
  const label = `${action} the job of ${time(createdAt)}`;
  const button = make(
    "button",
    { id: `act-${id}`, type: "button", class: "plain", "aria-label": label, onclick: act },
    action,
  );
  return make(
    "tr",
    { "aria-current": id === shownId ? "true" : null },
    make("td", {}, open),
    make("td", {}, model),
    make("td", {}, task),
    make("td", {}, state),
    make("td", {}, button),
  );
}

/** The latest jobs, as the service listed them and the events of the job that is shown have changed them since. */
let listed = [];
let drawn = "";
let lists = 0;
let listTimer = 0;

function showJobs(jobs) {
  listed = jobs;
  find("jobs").hidden = jobs.length === 0;
  const now = JSON.stringify([shownId, jobs.map(({ id, state }) => [id, state])]);
  if (now === drawn) return;
  drawn = now;
  // Whoever is in the list with the keyboard stays there.
  const focused = document.activeElement?.id;
  find("job-rows").replaceChildren(...jobs.map(jobRow));
  if (focused) find(focused)?.focus();
}

/** Shows the latest jobs, and looks again while some have not ended. Only the answer to the last question counts. */
async function listJobs() {
  clearTimeout(listTimer);
  const list = ++lists;
  const { jobs } = await askJson("v1/jobs?limit=20");
  if (list !== lists) return;
  showJobs(jobs);
  if (jobs.some(({ state }) => !isFinal(state))) listTimer = setTimeout(listQuietly, 2000);
}

/** As `listJobs`, of the page's own accord: what is said of earlier problems stays. */
const listQuietly = () => listJobs().catch((error) => showProblem(error.message));

async function load() {
  const { models } = await askJson("v1/models");
  showAccess(false);
  find("model").replaceChildren(...models.map(({ name }) => make("option", { value: name }, name)));
  if (models.some(({ name }) => name === "demo")) find("model").value = "demo";
  await listJobs();
  openNamed();
}

/** Shows the job that the address names. */
function openNamed() {
  const id = location.hash.slice(1);
  if (id !== "" && id !== shownId) follow(id);
}

find("start-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const request = await askJson("v1/example");
    request.model = find("model").value;
    request.adaptation = { count: find("count").valueAsNumber };
    request.test = { limit: find("limit").valueAsNumber };
    request.seed = find("seed").valueAsNumber;
    const answer = await ask("v1/jobs", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    location.hash = (await answer.json()).id;
  });
});

find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await ask("v1/session", { method: "POST", headers: { authorization: `Bearer ${find("token").value}` } });
    find("token").value = "";
    await load();
  });
});

addEventListener("hashchange", openNamed);

// A missing token is no problem to speak of: the page asks for it.
load().catch((error) => find("access").hidden && showProblem(error.message));
