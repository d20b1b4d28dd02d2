// The pictures of a document's pages, with what is cited or found marked on them.

import * as api from "./api.js";
import { $, all, button, tell, words } from "./dom.js";

let book = null;  // { address, pages, number, span, turned }

export const pageOf = (pages, offset) => Math.max(1, pages.findLastIndex(({ start }) => start <= offset) + 1);

/** Show the pages of a document; `address` is that of their pictures, with "{page}" in it. */
export function start(address, pages) {
  book = { address, pages, number: 1, span: null, turned: false };
  $("#page").hidden = $("#views").hidden = false;
  view(chosen());
}

export function stop() {
  book = null;
  $("#page").hidden = $("#views").hidden = true;
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
  $("#number").textContent = `Page ${book.number} of ${pages.length}`;
  $("#page-back").disabled = book.number === 1;
  $("#page-on").disabled = book.number === pages.length;
  draw();
}

/** As sharp as it is large; nothing is fetched while it is not to be seen. */
function draw() {
  const room = $("#leaf").clientWidth * (enlarged() ? 2 : 1), picture = $("#picture");
  if (!book || !room) return;
  const width = Math.min(1800, Math.max(1, Math.ceil((room * devicePixelRatio) / 100)) * 100);
  const { start, end } = spanHere() ?? {};
  const query = new URLSearchParams({ width, ...(end && { start, end }) });
  const address = `${book.address.replace("{page}", book.number)}?${query}`;
  if (picture.getAttribute("src") !== address) picture.src = address;
  else if (picture.naturalWidth) drawn();
  picture.alt = `Page ${book.number}`;
}

function spanHere() {
  const { span, pages, number } = book, page = pages[number - 1];
  return span && span.start < page.end && span.end > page.start ? span : null;
}

function drawn() {
  $("#picture").hidden = false;
  $("#undrawn").hidden = true;
  if (!book?.turned) return;
  book.turned = false;
  const { start, end } = book.pages[book.number - 1], leaf = $("#leaf"), span = spanHere();
  const share = span ? (span.start - start) / (end - start) : 0;  // about as far down the page as in its text
  leaf.scrollTop = share * leaf.scrollHeight - leaf.clientHeight / 2;
}

function undrawn() {
  if (!book) return;
  const address = $("#picture").getAttribute("src");
  $("#picture").hidden = true;
  $("#picture").removeAttribute("src");
  api.reach(address).then(() => ({ message: "The browser does not take the picture" }), (error) => error).then((error) => {
    if (!book || $("#picture").getAttribute("src")) return;  // another page is shown by now
    tell($("#undrawn"), `This page cannot be drawn. ${words(error)}`);
    $("#undrawn").append(" ", button("Try again", draw));
  });
}

const enlarged = () => $("#large").getAttribute("aria-pressed") === "true";

/** Twice as wide, or as wide as there is room; what was clicked on stays in the middle. */
function enlarge(event) {
  const leaf = $("#leaf"), picture = $("#picture"), clicked = event.currentTarget === picture;
  const x = clicked ? event.offsetX / picture.clientWidth : 0;
  const y = clicked ? event.offsetY / picture.clientHeight : (leaf.scrollTop + leaf.clientHeight / 2) / leaf.scrollHeight;
  $("#large").setAttribute("aria-pressed", !enlarged());
  draw();
  leaf.scrollTo(x * leaf.scrollWidth - leaf.clientWidth / 2, y * leaf.scrollHeight - leaf.clientHeight / 2);
}

/** Where there is no room for both: "page" or "text". */
function view(name) {
  $("#document").dataset.view = name;
  all("#views button").forEach((one) => one.setAttribute("aria-pressed", one.value === name));
}

function chosen() {
  try {
    return sessionStorage.getItem("view") ?? "page";
  } catch {
    return "page";  // this browser keeps nothing
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
