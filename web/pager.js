// The pictures of a document's pages, with what is cited or found marked on them.

import * as api from "./api.js";
import { $, all, button, conceal, tell, words } from "./dom.js";
import { whenBack } from "./status.js";

const LEAST = 30 * 16;  // pixels of width in which a page can be read
const LOCKED = "The pages of an encrypted PDF are not shown, since its password is not stored: this is its text.";
let book = null;  // { address, pages, number, span, turned, place }
let missed = false;  // the service was away when a page was asked for

export const pageOf = (pages, offset) => Math.max(1, pages.findLastIndex(({ start }) => start <= offset) + 1);

/** Show the pages of a document; `address` is that of their pictures, with "{page}" in it. */
export function start(address, pages) {
  book = { address, pages, number: 1, span: null, turned: false, place: null };
  $("#page").hidden = $("#views").hidden = false;
  view(chosen() ?? ($("#document").clientWidth < LEAST ? "text" : "page"));
}

export function stop() {
  book = null;
  missed = false;
  $("#page").hidden = $("#views").hidden = $("#locked").hidden = true;
  $("#picture").removeAttribute("src");
  view("text");
}

/** Turn to the page on which a span begins, and mark it there; without one stay. */
export function follow(span) {
  if (!book) return;
  book.span = span;
  turn(span ? pageOf(book.pages, span.start) : book.number);
}

/** Where the shown page begins, while it is shown in place of the text. */
export const reading = () => (book && !$("#text").checkVisibility() ? book.pages[book.number - 1].start : null);

function turn(number) {
  const { pages } = book;
  book.number = Math.min(pages.length, Math.max(1, number));
  book.turned = true;
  book.place = null;
  $("#number").textContent = `Page ${book.number} of ${pages.length}`;
  $("#page-back").disabled = book.number === 1;
  $("#page-on").disabled = book.number === pages.length;
  draw();
}

/** As sharp as it is large; nothing is fetched while it is not to be seen. */
function draw() {
  missed = false;
  const room = $("#leaf").clientWidth * (enlarged() ? 2 : 1), picture = $("#picture");
  if (!book || !room) return;
  const width = Math.min(1800, Math.max(1, Math.ceil((room * devicePixelRatio) / 100)) * 100);
  const { start, end } = spanHere() ?? {};
  const query = new URLSearchParams({ width, ...(end && { start, end }) });
  const address = `${book.address.replace("{page}", book.number)}?${query}`;
  if (picture.getAttribute("src") !== address) picture.src = address;
  else if (picture.complete && picture.naturalWidth) drawn();
  picture.alt = `Page ${book.number}`;
}

function spanHere() {
  const { span, pages, number } = book, page = pages[number - 1];
  return span && span.start < page.end && span.end > page.start ? span : null;
}

async function drawn() {
  const mine = book, { number, span } = mine ?? {};
  $("#picture").hidden = false;
  conceal($("#undrawn"), $("#leaf"));
  if (!mine?.turned) return;
  const place = spanHere() && (await api.markOn(mine.address.replace("{page}.png", `${number}/mark`), span).catch(() => null));
  if (mine !== book || !mine.turned || mine.number !== number || mine.span !== span) return;
  Object.assign(mine, { turned: false, place });
  if (place) bring(place);
  else $("#leaf").scrollTop = 0;
}

/** Bring a place of the picture, in shares of it, to the middle; of a larger one its beginning is seen. */
function bring({ left, top, right, bottom }) {
  const leaf = $("#leaf"), picture = $("#picture").getBoundingClientRect(), box = leaf.getBoundingClientRect();
  const gap = (from, to, size, room) => Math.min(((from + to) / 2) * size, from * size + room / 2 - 16) - room / 2;
  leaf.scrollBy(picture.left - box.left - leaf.clientLeft + gap(left, right, picture.width, leaf.clientWidth),
    picture.top - box.top - leaf.clientTop + gap(top, bottom, picture.height, leaf.clientHeight));
}

async function undrawn() {
  if (!book) return;
  const address = $("#picture").getAttribute("src");
  $("#picture").hidden = true;
  $("#picture").removeAttribute("src");
  const error = await api.reach(address).then(() => ({ message: "The browser does not take the picture" }), (reason) => reason);
  if (!book || $("#picture").getAttribute("src")) return;  // another page is shown by now
  if (/\bfield password\b/.test(error.hint)) {
    stop();
    tell($("#locked"), LOCKED);
  } else {
    missed = error.status === 0;
    tell($("#undrawn"), `This page cannot be drawn. ${words(error)}`);
    $("#undrawn").append(" ", button("Try again", draw));
  }
}

const enlarged = () => $("#large").getAttribute("aria-pressed") === "true";

/** Twice as wide, or as wide as there is room; what was clicked on, or the mark that was seen, stays in the middle. */
function enlarge(event) {
  const leaf = $("#leaf"), picture = $("#picture"), clicked = event.currentTarget === picture;
  const x = clicked ? event.offsetX / picture.clientWidth : 0;
  const y = clicked ? event.offsetY / picture.clientHeight : (leaf.scrollTop + leaf.clientHeight / 2) / leaf.scrollHeight;
  const kept = (!clicked && seen()) || { left: x, top: y, right: x, bottom: y };
  $("#large").setAttribute("aria-pressed", !enlarged());
  draw();
  bring(kept);
}

/** The mark on the page, if any of it is to be seen. */
function seen() {
  const { top, height } = $("#picture").getBoundingClientRect(), box = $("#leaf").getBoundingClientRect(), { place } = book;
  return place && top + place.bottom * height > box.top && top + place.top * height < box.bottom ? place : null;
}

/** Where there is no room for both: "page" or "text". */
function view(name) {
  $("#document").dataset.view = name;
  all("#views button").forEach((one) => one.setAttribute("aria-pressed", one.value === name));
}

function chosen() {
  try {
    return sessionStorage.getItem("view");
  } catch {
    return null;  // this browser keeps nothing
  }
}

function choose({ currentTarget: { value } }) {
  view(value);
  try {
    sessionStorage.setItem("view", value);
  } catch {
    // it holds until the page is left
  }
}

$("#picture").addEventListener("load", drawn);
$("#picture").addEventListener("error", undrawn);
$("#picture").addEventListener("click", enlarge);
$("#large").addEventListener("click", enlarge);
$("#page-back").addEventListener("click", () => turn(book.number - 1));
$("#page-on").addEventListener("click", () => turn(book.number + 1));
all("#views button").forEach((one) => one.addEventListener("click", choose));
new ResizeObserver(draw).observe($("#leaf"));
whenBack(() => missed && draw());
