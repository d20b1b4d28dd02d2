// Files on their way in: a bar for each, then what became of it.

import * as api from "./api.js";
import { facts, notes } from "./text.js";

const STAGES = { queued: "waiting", reading: "being read", embedding: "being indexed" };

/** Files dropped anywhere on the page are sent; `after` is called when a job is done. */
export function acceptDrops(list, after) {
  const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!holds(event)) return;
    event.preventDefault();
    send(list, [...event.dataTransfer.files], after);
  });
}

export async function send(list, files, after) {
  if (files.length === 0) return;
  list.hidden = false;
  const rows = files.map((file) => row(list, file.name));
  try {
    const job = await api.upload(files, (share) => rows.forEach(({ bar, state }) => {
      bar.value = share / 3;
      state.textContent = "being sent";
    }));
    await api.follow(job, (now) => now.files.forEach((file, n) => show(rows[n], file)));
  } catch (error) {
    rows.filter(({ bar }) => bar.isConnected).forEach((one) => fail(one, error));
  }
  after();
}

function row(list, name) {
  const item = document.createElement("div"), title = document.createElement("span");
  const bar = document.createElement("progress"), state = document.createElement("span");
  item.className = "upload";
  title.className = "name";
  title.dir = "auto";
  title.textContent = name;
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", name);
  state.className = "quiet";
  state.setAttribute("role", "status");
  item.append(title, bar, state);
  list.prepend(item);
  return { item, bar, state };
}

function show({ item, bar, state }, file) {
  if (file.error) return fail({ item, bar, state }, file.error);
  if (file.report) {
    bar.remove();
    const same = { unchanged: "already there", duplicate: "already there under another name", replaced: "replaced" };
    state.textContent = [same[file.report.state], facts(file.report), notes(file.report)].filter(Boolean).join(" · ");
    item.classList.add("done");
    return;
  }
  const stages = Object.keys(STAGES).length;
  bar.value = (1 + Math.max(0, Object.keys(STAGES).indexOf(file.state) - 1) + file.share) / stages;
  state.textContent = STAGES[file.state];
}

function fail({ item, bar, state }, error) {
  bar.remove();
  item.classList.add("failed");
  state.textContent = [error.message, error.hint].filter(Boolean).join(". ").replace("..", ".");
}
