// A document beside the chat: its text with the passages marked that are cited, the pictures of its pages, what is found in it.

import * as api from "./api.js";
import { Stretch } from "./blocks.js";
import { $, button, conceal, make, tell, words } from "./dom.js";
import * as find from "./find.js";
import * as pager from "./pager.js";
import { sources } from "./shelf.js";
import { whenBack } from "./status.js";
import { facts, notes, places, shortened } from "./text.js";

const FAR = 2e9;  // no text is as long
const GONE = "This document is not in the library any more: it was removed, or never there. What an answer quoted from it is still in your chats. ";
const CHANGED = "This document has changed since it was cited: what is marked is not what was quoted. Ask again.";
let open = null;  // { path, text, closing, ready, about, pages, passages, at, beyond, missed }

/** Show the document of a path at the place of a hash; `marks`: the passages of it that are cited by the present answer. */
export async function show(path, hash, marks = []) {
  const cited = places(hash);
  if (open?.path !== path) begin(path, Math.min(cited.passage?.start ?? 0, FAR));
  const mine = open;
  try {
    const [about, pages] = await mine.ready;
    if (mine !== open) return;
    if (!mine.about) introduce(about, pages);
    const moved = Boolean(mine.passages);
    mine.passages = gathered(cited, marks).filter(({ telling }) => telling.start < mine.text.characters);
    mine.at = mine.passages.findIndex((one) => same(one, cited.passage));
    mine.beyond = cited.passage !== null && mine.at < 0;
    if (moved) find.clear();
    await go();
    if (!moved) find.again();  // what was typed meanwhile
  } catch (error) {
    if (mine === open) failed(error);
  }
}

/** Forget the document. */
export function hide() {
  open?.closing.abort();
  open = null;
  find.clear();
  pager.stop();
  $("#text").replaceChildren();
  for (const id of ["#document-title", "#stand"]) $(id).textContent = "";
  for (const id of ["#document-source", "#document-facts", "#document-problem"]) $(id).hidden = true;
}

/** To the next (1) or previous (-1) hit of a search, else mark. */
export async function step(by) {
  if (!open?.passages) return;
  if (find.searching()) return find.step(by);
  const { passages, at } = open;
  if (!passages.length) return;
  open.at = at < 0 ? (by > 0 ? 0 : passages.length - 1) : (at + by + passages.length) % passages.length;
  open.beyond = false;
  history.replaceState(history.state, "", hashOf(passages[open.at]));
  await go(true).catch(failed);
}

function begin(path, start) {
  hide();
  const closing = new AbortController(), { signal } = closing, pages = api.pages(path, signal);
  const text = new Stretch($("#text"), path, pages, { signal, failed, changed: grown });
  $("#document-title").textContent = "Loading…";
  open = { path, text, closing };
  open.ready = Promise.all([api.about(path, signal), pages, text.reach(start)]);
}

function introduce(about, pages) {
  Object.assign(open, { about, pages });
  $("#document-title").textContent = shortened(about.title);
  $("#document-title").title = about.title;
  tell($("#document-source"), sources(about, 60));
  $("#document-source").title = about.sources.join(", ");
  const told = [about.sources.join(", "), about.dated, notes(about), `SHA-256 ${about.sha256.slice(0, 12)}…`];
  const [brief, rest] = $("#document-facts").children, link = make("a", "", "Download the file");
  brief.textContent = facts(about) + (notes(about) && " · with notes");
  link.href = about.original_url ?? "";
  link.download = "";
  rest.replaceChildren(told.filter(Boolean).join(" · "), ...(about.original_url ? [" · ", link] : []));
  $("#document-facts").hidden = false;
  if (about.page_url) pager.start(about.page_url, pages);
}

/** Every passage once, in the order of the text, each with what is telling in it: the whole where nothing is known of it. */
function gathered({ passage, mark }, marks) {
  const known = marks.find((one) => same(one, passage));
  const listed = marks.filter((one) => one !== known);
  if (passage) listed.push({ ...passage, quote: known?.quote, mark: mark ?? known?.mark });
  const inside = (one, { start, end }) => one && one.start >= start && one.end <= end;
  return listed.map((one) => ({ start: one.start, end: one.end, quote: one.quote, telling: inside(one.mark, one) ? one.mark : one }))
    .sort((one, other) => one.start - other.start || one.end - other.end);
}

const same = (one, other) => one.start === other?.start && one.end === other?.end;

const hashOf = ({ start, end, telling }) =>
  `#char=${start},${end}${same(telling, { start, end }) ? "" : `&mark=${telling.start},${telling.end}`}`;

/** To the current passage, or to the beginning where there is none. */
async function go(smooth = false) {
  const mine = open, { text, passages, at } = mine, current = passages[at];
  await text.reach(current?.telling.start ?? 0);
  if (mine !== open || current !== mine.passages[mine.at]) return;
  $("#document-problem").hidden = true;
  text.mark(passages, current);
  if (current?.quote && text.range(current).toString() !== current.quote) tell($("#document-problem"), CHANGED);
  if (current) text.bring(current.telling, smooth);
  else $("#text").scrollTop = 0;
  pager.follow(current?.telling);
  state();
  text.load();
}

function grown() {
  find.draw();
  state();
}

function state() {
  const hits = find.searching(), count = hits ? hits.matches.length : open.passages?.length;
  const stand = hits ? find.stand() : standing(open);
  if ($("#stand").textContent !== stand) $("#stand").textContent = stand;
  for (const [id, which] of [["#previous", "Previous"], ["#next", "Next"]]) {
    $(id).disabled = !count;
    $(id).ariaLabel = `${which} ${hits ? "hit" : "mark"}`;
  }
}

/** "Passage 2 of 3, page 4"; one alone: "Cited from line 120". */
function standing({ text, pages, passages, at, beyond }) {
  if (beyond) return "The cited place is beyond the end of this text.";
  if (!(at >= 0)) return "";
  const { start } = passages[at], line = !pages.length && text.line(start);
  const place = pages.length ? `page ${pager.pageOf(pages, start)}` : line && `line ${line.toLocaleString("en")}`;
  if (passages.length === 1) return place ? `Cited from ${place}` : "Cited passage";
  return `Passage ${at + 1} of ${passages.length}${place ? `, ${place}` : ""}`;
}

function failed(error, again = reopen) {
  if (!open || error.name === "AbortError") return;
  const gone = error.status === 404, problem = $("#document-problem");
  open.missed = error.status === 0;
  if (!open.about) $("#document-title").textContent = gone ? "This document is gone" : "This document cannot be shown";
  tell(problem, gone ? GONE : words(error));
  if (gone) problem.append(Object.assign(make("a", "", "Open the library"), { href: "/library" }));
  else if (again) problem.append(button("Try again", again));
}

function reopen() {
  const { path } = open;
  conceal($("#document-problem"), $("#document-title"));
  hide();
  show(path, location.hash, history.state?.marks);
}

/** The service answers again: what it did not give is fetched, and what is read stays where it is. */
function resume() {
  if (!open?.missed) return;
  const { passages, at, text } = open;
  if (!passages) return reopen();
  open.missed = false;
  conceal($("#document-problem"), $("#document-title"));
  if (passages[at] && !text.holds(passages[at].telling)) go().catch(failed);
  else text.load();
  find.again();
}

find.setup({
  source: () => open?.passages && { path: open.path, text: open.text, from: pager.reading() ?? open.text.top() },
  moved: (hit) => {
    $("#document-problem").hidden = true;
    pager.follow(hit);
    state();
  },
  ended: () => go().catch(failed),
  failed: (error) => failed(error, null),
});
whenBack(resume);
$("#previous").addEventListener("click", () => step(-1));
$("#next").addEventListener("click", () => step(1));
