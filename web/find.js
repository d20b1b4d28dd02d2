// Finding words in the open document. Hits are drawn over the text without changing it.

import * as api from "./api.js";
import { $ } from "./dom.js";

let told, hits = null, text = null, waiting = 0, asking = new AbortController();

/** The hits of the words in the field, `{total, matches, at}`, or null while nothing is sought. */
export const searching = () => hits;

/** `told`: `source()` is the open document, `{path, text, from}`; `moved(hit)`, `ended()` and `failed(error)` are called. */
export function setup(given) {
  told = given;
  $("#find").addEventListener("submit", (event) => event.preventDefault());
  $("#words").addEventListener("keydown", pressed);
  $("#words").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, 150);
  });
}

function pressed(event) {
  if (event.key === "Enter" && !event.isComposing && event.keyCode !== 229) {
    if (hits && !waiting) step(event.shiftKey ? -1 : 1);
    else look();
  } else if (event.key === "Escape" && event.target.value) {
    clear();
    told.ended();
    event.stopPropagation();
  } else return;
  event.preventDefault();
}

/** Forget what is sought. */
export function clear() {
  stop();
  $("#words").value = "";
}

function stop() {
  clearTimeout(waiting);
  asking.abort();
  waiting = 0;
  hits = text = null;
  CSS.highlights?.clear();
}

/** Look for it again, where that was not possible. */
export const again = () => hits || ($("#words").value.trim() && look());

async function look() {
  const sought = $("#words").value.trim(), source = told.source();
  stop();
  if (!source) return;
  if (!sought) return told.ended();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const found = await api.matches(source.path, sought, signal);
    if (signal.aborted) return;
    text = source.text;
    hits = { ...found, at: Math.max(0, found.matches.findIndex(({ start }) => start >= source.from)) };
    await go();
  } catch (error) {
    if (!signal.aborted) told.failed(error);
  }
}

/** To the next (1) or previous (-1) hit. */
export function step(by) {
  const count = hits.matches.length;
  if (!count) return;
  hits.at = (hits.at + by + count) % count;
  go(true).catch(told.failed);
}

async function go(smooth = false) {
  const { matches, at } = hits, hit = matches[at], here = text;
  if (hit) await here.reach(hit.start);
  if (hits?.matches[hits.at] !== hit) return;
  draw();
  if (hit) here.bring(hit, smooth);
  told.moved(hit);
  here.load();
}

/** Draw the hits in what is loaded of the text; where the browser cannot, the current one is selected. */
export function draw() {
  const hit = hits?.matches[hits.at];
  CSS.highlights?.clear();
  if (!hit || !text.holds(hit)) return;
  if (CSS.highlights) {
    CSS.highlights.set("found", new Highlight(...hits.matches.filter(text.holds).map(text.range)));
    CSS.highlights.set("here", new Highlight(text.range(hit)));
  } else {
    getSelection().removeAllRanges();
    getSelection().addRange(text.range(hit));
  }
}

/** "Hit 3 of 17" */
export function stand() {
  const { total, at } = hits;
  return total ? `Hit ${(at + 1).toLocaleString("en")} of ${total.toLocaleString("en")}` : "No hits";
}
