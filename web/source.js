// One document, with the cited passage and the telling sentence in it marked.

import * as api from "./api.js";
import { cut, places } from "./text.js";

const $ = (selector) => document.querySelector(selector);
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;

async function open() {
  try {
    const { about, text } = await api.source(location.pathname);
    document.title = `${about.title} · Chapter & Verse`;
    $("#title").textContent = about.title;
    $("#about").textContent = [about.source, `${about.characters} characters`, `SHA-256 ${about.sha256.slice(0, 12)}…`]
      .filter(Boolean).join(" · ");
    const draw = () => mark(text);
    addEventListener("hashchange", draw);
    draw();
  } catch (error) {
    $("#problem").hidden = false;
    $("#problem").textContent = `${error.message} ${error.hint}`;
  }
}

function mark(text) {
  const { passage, mark: telling } = places(location.hash);
  const inside = passage && telling && telling.start >= passage.start && telling.end <= passage.end;
  const edges = !passage ? [] : inside
    ? [passage.start, telling.start, telling.end, passage.end] : [passage.start, passage.end];
  const parts = cut(text, edges);
  if (!passage) return $("#text").replaceChildren(parts[0]);
  const [before, after] = [parts[0], parts.at(-1)];
  const cited = document.createElement("span");
  cited.className = "cited";
  cited.append(...parts.slice(1, -1).map((part, n) => (n === 1 || !inside ? marked(part) : part)));
  $("#text").replaceChildren(before, cited, after);
  const line = before.split("\n").length;
  $("#place").textContent = cited.textContent ? `Cited from line ${line}` : "The cited place is beyond the end of this text.";
  const target = cited.querySelector("mark") ?? cited;
  target.scrollIntoView({ block: "center", behavior: STILL ? "auto" : "smooth" });
  $("#text").focus({ preventScroll: true });
}

function marked(part) {
  const node = document.createElement("mark");
  node.textContent = part;
  return node;
}

open();
