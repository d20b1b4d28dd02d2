// One document, with the cited passage and the telling sentence in it marked, and the real page beside it.

import * as api from "./api.js";
import { cut, facts, notes, places } from "./text.js";

const $ = (selector) => document.querySelector(selector);
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;

async function open() {
  try {
    const { about, text, pages } = await api.source(location.pathname);
    document.title = `${about.title} · Chapter & Verse`;
    $("#title").textContent = about.title;
    $("#about").textContent = [about.sources.join(", "), facts(about), about.dated, notes(about), `SHA-256 ${about.sha256.slice(0, 12)}…`]
      .filter(Boolean).join(" · ");
    if (about.original_url) $("#about").append(" · ", link(about.original_url, "Download the file"));
    const pager = about.page_url ? pagerOf(about.page_url, pages) : null;
    const draw = () => mark(text, pages, pager);
    addEventListener("hashchange", draw);
    draw();
  } catch (error) {
    $("#problem").hidden = false;
    $("#problem").textContent = `${error.message} ${error.hint}`;
  }
}

function mark(text, pages, pager) {
  const { passage, mark: wanted } = places(location.hash);
  const inside = passage && wanted && wanted.start >= passage.start && wanted.end <= passage.end;
  const telling = inside ? wanted : passage;
  const breaks = pages.slice(1).map(({ start }) => start);
  const edges = passage ? [passage.start, telling.start, telling.end, passage.end] : [];
  const offsets = [...new Set([...edges, ...breaks])].sort((one, other) => one - other);
  const cited = element("span", "cited"), nodes = [];
  cut(text, offsets).forEach((part, n) => {
    if (!part) return;
    const start = n ? offsets[n - 1] : 0, here = within(start, passage);
    if (here && !nodes.includes(cited)) nodes.push(cited);
    const put = (node) => (here ? cited.append(node) : nodes.push(node));
    if (n && breaks.includes(start)) put(pageBreak(pages.findLastIndex((page) => page.start === start) + 1));
    put(here && within(start, telling) ? element("mark", "", part) : part);
  });
  $("#text").replaceChildren(...nodes);
  pager?.(telling);
  if (!passage) return;
  const place = pages.length
    ? `page ${pages.findLastIndex(({ start }) => start <= passage.start) + 1}`
    : `line ${cut(text, [passage.start])[0].split("\n").length}`;
  $("#place").textContent = cited.textContent ? `Cited from ${place}` : "The cited place is beyond the end of this text.";
  const target = cited.querySelector("mark") ?? cited;
  const show = () => target.scrollIntoView({ block: "center", behavior: STILL ? "auto" : "smooth" });
  show();
  if (pager) $("#picture").addEventListener("load", show, { once: true });  // it may have pushed the text away
  $("#text").focus({ preventScroll: true });
}

const within = (offset, span) => span && offset >= span.start && offset < span.end;

/** Shows the page on which a span stands, marked, and turns pages. */
function pagerOf(address, pages) {
  let shown = 1, span = null;
  const turn = (number) => {
    shown = Math.min(pages.length, Math.max(1, number));
    const query = new URLSearchParams({ width: Math.min(1800, Math.round(700 * Math.max(1, devicePixelRatio))) });
    const { start, end } = pages[shown - 1];
    if (span && span.start < end && span.end > start) {
      query.set("start", span.start);
      query.set("end", span.end);
    }
    $("#picture").src = `${address.replace("{page}", shown)}?${query}`;
    $("#picture").alt = `Page ${shown}`;
    $("#number").textContent = `Page ${shown} of ${pages.length}`;
    $("#previous").disabled = shown === 1;
    $("#next").disabled = shown === pages.length;
  };
  $("#page").hidden = false;
  document.body.classList.add("paged");
  $("#picture").addEventListener("load", () => { $("#picture").hidden = false; $("#undrawn").hidden = true; });
  $("#picture").addEventListener("error", () => {
    $("#picture").hidden = true;
    $("#undrawn").hidden = false;
    $("#undrawn").textContent = "This page cannot be drawn; the file may need a password.";
  });
  $("#previous").addEventListener("click", () => turn(shown - 1));
  $("#next").addEventListener("click", () => turn(shown + 1));
  return (wanted) => {
    span = wanted;
    turn(wanted ? Math.max(1, pages.findLastIndex(({ start }) => start <= wanted.start) + 1) : 1);
  };
}

/** Shown by the style sheet, so that it is no part of the text. */
function pageBreak(number) {
  const node = element("span", "break");
  node.dataset.page = number;
  return node;
}

function element(tag, name, text = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.textContent = text;
  return node;
}

function link(address, words) {
  const node = element("a", "", words);
  node.href = address;
  return node;
}

open();
