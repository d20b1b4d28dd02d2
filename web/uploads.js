// Files on their way in: a bar for each, then what became of it. One batch is sent, and one job followed, at a time, as
// the service does one at a time: a browser has few connections to spare.

import * as api from "./api.js";
import { askFor } from "./dialogs.js";
import { $, announce, button, make, toast, words } from "./dom.js";
import { whenBack } from "./status.js";
import { facts, notes, percent, shortened } from "./text.js";

const WAITING = "waiting", STAGES = ["being sent", "being read", "being indexed"], STATES = ["queued", "reading", "embedding"];
const SAME = { unchanged: "already there", duplicate: "already there under another name", replaced: "replaced" };
const MOST_FILES = 50, MOST_BYTES = 256 << 20;  // of a batch; a larger file goes alone
const TRIES = 3;  // so often a file is sent again by itself: it may be what the service fails of
const UNREADABLE = { message: "It cannot be read", hint: "It may have been moved or changed: choose it again." };
const TAKEN = "Another file of this name is in the library.";
const LOST = "The service does not answer. This goes on as soon as it is back.";
const area = $("#uploads"), total = make("span", "quiet");
const isTaken = ({ error }) => error?.code === "conflict", isFailed = (upload) => upload.error && !isTaken(upload);
const again = button("Try the failed ones again", () => retry(uploads.filter(isFailed)));
const replaceAll = button("Replace all", () => decide(uploads.filter(isTaken), "replace"));
const keepAll = button("Keep all", () => decide(uploads.filter(isTaken), "keep"));
const clear = button("Clear", () => dismiss(uploads));

let uploads = [];  // {file, name, fields, after, turn, tries, item, bar, state, tools}, the job that has it, and done or error once it is over
let sending = Promise.resolve(), following = Promise.resolve(), unsent = 0, turns = 0;

/** Files, and folders of them, dropped anywhere on the page: `taken` is called with `[{file, name}]`. */
export function acceptDrops(taken) {
  const mark = (on) => document.body.classList.toggle("dropping", on);
  const listen = (type, act) => addEventListener(type, (event) => {
    const holds = event.dataTransfer?.types.includes("Files");
    if (holds) event.preventDefault();
    mark(holds && type !== "drop");
    if (holds) act?.(event.dataTransfer);
  });
  listen("dragenter");  // refused there, files let go at once would be lost
  listen("dragover");
  listen("drop", async (transfer) => {
    const files = await filesOf(transfer).catch(() => []);
    if (files.length) taken(files);
    else toast("There are no files in it that can be read.");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
  addEventListener("beforeunload", (event) => unsent && event.preventDefault());
}

/** The entries are there only while the event is handled: all are taken before the first is waited for. */
async function filesOf({ items }) {
  const inside = [...items].filter(({ kind }) => kind === "file").map((item) => {
    const entry = item.webkitGetAsEntry(), file = item.getAsFile();
    return entry?.isDirectory ? filesIn(entry) : [{ file, name: file.name }];
  });
  return (await Promise.all(inside)).flat();
}

/** Those of a folder and its folders, but hidden ones, named by their path. */
async function filesIn(entry) {
  const called = (method, target = entry) => new Promise((resolve, reject) => target[method](resolve, reject));
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [{ file: await called("file"), name: entry.fullPath.slice(1) }];
  const reader = entry.createReader(), entries = [];
  for (let some; (some = await called("readEntries", reader)).length;) entries.push(...some);
  return (await Promise.all(entries.map(filesIn))).flat();
}

/** Send files, `{file, name}`; `fields` go with them. `after` is called each time that some were taken in. */
export function send(files, given, after) {
  const fields = { ...given, existing: "refuse" };  // until a person has said what is to be done
  const fresh = files.map(({ file, name }) => {
    const title = make("span", "name", shortened(name)), bar = make("progress"), state = make("span", "state small"), tools = make("span", "tools small");
    title.dir = "auto";
    title.title = name;
    bar.setAttribute("aria-label", name);
    const item = make("div", "upload", title, tools, bar, state);
    item.tabIndex = -1;
    return { file, name, fields, after, turn: turns++, tries: 0, item, bar, state, tools };
  });
  if (!area.firstChild) area.append(make("p", "sum small", total, replaceAll, keepAll, again, clear));
  area.firstChild.after(...fresh.map(({ item }) => item));
  uploads = [...fresh, ...uploads];
  post(fresh);
}

function post(some) {
  some.forEach((upload) => move(upload, 0, WAITING));
  count();
  for (const batch of batches(some)) {
    unsent += 1;
    sending = sending.then(() => give(batch)).finally(() => (unsent -= 1));
  }
}

/** Of the same fields, and not too much at once. */
function batches(some) {
  const found = [];
  let batch = [], bytes = 0;
  const alike = (one, other) => one && JSON.stringify(one.fields) === JSON.stringify(other.fields);
  for (const upload of some) {
    bytes += upload.file.size;
    if (bytes > MOST_BYTES || batch.length === MOST_FILES || !alike(batch[0], upload)) {
      found.push(batch = []);
      bytes = upload.file.size;
    }
    batch.push(upload);
  }
  return found;
}

async function give(batch) {
  const reads = await Promise.all(batch.map(({ file }) => file.slice(0, 1).arrayBuffer().then(() => true, () => false)));
  batch.filter((_, n) => !reads[n]).forEach((upload) => fail(upload, UNREADABLE));
  const some = batch.filter((_, n) => reads[n]);
  if (!some.length) return;
  try {
    const job = await api.upload(some, (share) => sent(some, share), some[0].fields);
    some.forEach((upload) => (upload.job = job));
    following = following.then(() => watch(job, some));
  } catch (error) {
    some.forEach((upload) => fail(upload, error));
  }
}

/** They go in their order: how much of each has gone follows from how much of all. */
function sent(some, share) {
  let left = share * some.reduce((sum, { file }) => sum + file.size, 0);
  for (const upload of some) {
    const part = Math.min(1, Math.max(0, left / (upload.file.size || 1)));
    left -= upload.file.size;
    move(upload, part / 3, part < 1 ? STAGES[0] : WAITING);
  }
}

async function watch(job, some) {
  const open = () => some.filter((upload) => upload.job === job && !isOver(upload));  // another job may have it by now
  const changed = ({ files }) => {
    count();
    open().forEach((upload) => show(upload, files[some.indexOf(upload)]));
  };
  await api.follow(job, changed, lost).catch((error) => open().forEach((upload) => fail(upload, error)));
  some[0].after();
}

const isOver = ({ done, error }) => done || error;

/** That the service is away is announced with the notice above the chat. */
function lost() {
  total.textContent = LOST;
}

function show(upload, { report, error, state, share }) {
  if (error) return fail(upload, error);
  if (report) return finish(upload, report);
  const stage = STATES.indexOf(state), shown = stage === 1 && share === 1 ? 2 : stage;
  move(upload, (Math.max(1, stage) + share) / 3, shown ? STAGES[shown] : WAITING);
}

function move({ bar, state, fields: { collection } }, value, stage) {
  bar.value = value;
  state.textContent = [stage, stage !== WAITING && percent(value), collection && `into ${collection}`].filter(Boolean).join(", ");
}

function finish(upload, report) {
  const { collection } = upload.fields, told = notes(report);
  upload.done = true;
  const called = report.source === upload.name.normalize("NFC") ? "" : ` as ${report.source}`;
  settle(upload, "done", [(SAME[report.state] ?? `added${called}`), collection && `in ${collection}`, facts(report)].filter(Boolean).join(" · "));
  if (told) upload.state.append(make("span", "notes", told));
}

/** A file that wants a password says so by naming the field that takes it. */
function fail(upload, error) {
  const locked = /\bfield password\b/.test(error.hint);
  upload.error = error;
  if (isTaken(upload)) {
    return settle(upload, "failed", TAKEN, button("Replace", () => decide([upload], "replace"), `Replace ${upload.name}`),
      button("Keep both", () => decide([upload], "keep"), `Keep both: ${upload.name}`));
  }
  settle(upload, "failed", words(locked ? { message: error.message } : error),
    locked ? button("Password…", () => unlock(upload), `Password of ${upload.name}`)
      : button("Try again", () => retry([upload]), `Try again: ${upload.name}`));
}

function settle(upload, how, text, ...ways) {
  upload.item.classList.add(how);
  upload.bar.remove();
  upload.state.textContent = text;
  upload.tools.replaceChildren(...ways, button("Dismiss", () => dismiss([upload]), `Dismiss ${upload.name}`));
  if (count()) announce(total.textContent);
}

async function unlock(upload) {
  const given = await askFor(`Password of ${upload.name}`, [{ name: "password", label: "Password", type: "password" }]);
  if (!given?.password) return;
  upload.fields = { ...upload.fields, ...given };
  retry([upload]);
}

/** What is to become of files whose names others have: "replace" those, or "keep" both. */
function decide(some, existing) {
  for (const upload of some) upload.fields = { ...upload.fields, existing };
  retry(some);
}

/** Those that found no service, in the order in which they came. */
function resend() {
  const missed = uploads.filter(({ error, tries }) => error?.status === 0 && tries < TRIES).sort((one, other) => one.turn - other.turn);
  missed.forEach((upload) => (upload.tries += 1));
  if (missed.length) retry(missed, false);
}

function retry(some, chosen = true) {
  const focused = document.activeElement;
  if (chosen || focused === again || some.some(({ tools }) => tools.contains(focused))) some[0].item.focus();
  for (const { item, tools, state, bar } of some) {
    item.classList.remove("failed");
    tools.replaceChildren();
    state.before(bar);
  }
  some.forEach((upload) => Object.assign(upload, { job: null, error: null }));
  post(some);
}

function dismiss(some) {
  const next = some[0].item.nextElementSibling ?? some[0].item.previousElementSibling;
  uploads = uploads.filter((upload) => !some.includes(upload));
  some.forEach(({ item }) => item.remove());
  count();
  (uploads.length ? $("button:not([hidden])", next) ?? next : $("#files")).focus();
}

/** Tell how far all of them are; whether all are over. */
function count() {
  const failed = uploads.filter(isFailed).length, taken = uploads.filter(isTaken).length, over = uploads.every(isOver);
  const done = uploads.filter((upload) => upload.done).length;
  area.hidden = !uploads.length;
  clear.hidden = !over;
  again.hidden = !over || failed < 2;
  replaceAll.hidden = keepAll.hidden = !over || taken < 2;
  total.textContent = [`${done} of ${uploads.length} taken in`, failed && `${failed} failed`, taken && `${taken} to be decided`]
    .filter(Boolean).join(", ");
  return over;
}

whenBack(resend);
