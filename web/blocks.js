// The text of one document in the page: one stretch of it, in blocks that end where lines end. Offsets count code points.

import * as api from "./api.js";
import { make, still } from "./dom.js";
import { cut } from "./text.js";

const BLOCK = 8_000, AROUND = 30_000, STEP = 250_000, MOST = 2_000_000;

export class Stretch {
  start = 0;
  end = 0;
  characters = 0;  // of the whole text, known with its first part
  #box; #path; #pages; #told; #sha256; #wanted;
  #blocks = []; #breaks = []; #passages = []; #current; #place; #loading = false; #stopped = false;

  /** `pages`: a promise of where they begin. `told`: `changed()` when more is loaded, `failed(error)`, `signal` to end. */
  constructor(box, path, pages, told) {
    [this.#box, this.#path, this.#pages, this.#told] = [box, path, pages, told];
    box.addEventListener("scroll", () => this.#stopped || this.load(), { passive: true, signal: told.signal });
    this.#returning();
  }

  /** When the text is to be seen again it stands where it should. */
  #returning() {
    let seen = this.#box.clientHeight;
    const sizes = new ResizeObserver(() => {
      if (!seen && this.#box.clientHeight && this.#place) this.bring(this.#place);
      seen = this.#box.clientHeight;
    });
    sizes.observe(this.#box);
    this.#told.signal.addEventListener("abort", () => sizes.disconnect());
  }

  holds = ({ start }) => start >= this.start && start < this.end;

  /** Have a place loaded; what is far from it goes. */
  async reach(start) {
    this.#wanted = start;
    if (this.holds({ start })) return;
    const [part, pages] = await Promise.all([this.#part(Math.max(0, start - AROUND), start + AROUND), this.#pages]);
    this.#told.signal.throwIfAborted();
    if (this.#wanted !== start) return;
    this.#breaks = pages.slice(1).map((page) => page.start);
    this.#box.replaceChildren();
    this.#blocks = [];
    this.#insert(part);
    [this.start, this.end] = [part.start, part.end];
  }

  /** Load more as long as it is wanted: of itself up to MOST characters, then what a reader comes near to. */
  async load() {
    if (this.#loading) return;
    [this.#loading, this.#stopped] = [true, false];
    try {
      for (let side = this.#lacking(); side; side = this.#lacking()) {
        await idle();
        await this.#more(side);
        this.#told.changed();
      }
    } catch (error) {
      this.#stopped = true;  // else every turn of the wheel would try again
      this.#told.failed(error);
    }
    this.#loading = false;
  }

  #lacking() {
    if (!this.#blocks.length) return "";
    const { scrollTop, clientHeight, scrollHeight } = this.#box, near = 2 * clientHeight;
    const before = this.start > 0, after = this.end < this.characters, room = this.end - this.start < MOST;
    if (before && scrollTop < near) return "before";
    if (after && (room || scrollHeight - scrollTop - clientHeight < near)) return "after";
    return before && room ? "before" : "";
  }

  async #more(side) {
    const { start, end } = this, before = side === "before";
    const part = await (before ? this.#part(Math.max(0, start - STEP), start) : this.#part(end, end + STEP));
    if (this.start !== start || this.end !== end) return;  // another place has been loaded meanwhile
    if (before) this.#steady(() => this.#insert(part, true));
    else this.#insert(part);
    this[before ? "start" : "end"] = part[before ? "start" : "end"];
  }

  /** A part of the text; where it joins nothing that is loaded it is cut at the end of a line. */
  async #part(from, to) {
    const { text, characters, sha256 } = await api.text(this.#path, from, to, this.#told.signal);
    this.#told.signal.throwIfAborted();
    this.#sha256 ??= sha256;
    if (this.#sha256 !== sha256) throw new api.ServiceError("This document has been replaced while it was read.", "", -1);
    this.characters = characters;
    const first = from && from !== this.end ? edge(text, 0) : 0;
    const last = to < characters && to !== this.start ? edge(text, Math.max(first, text.length - BLOCK)) : text.length;
    const start = from + points(text.slice(0, first)), kept = text.slice(first, last);
    return { text: kept, start, end: start + points(kept) };
  }

  #insert({ text, start }, before = false) {
    const blocks = [];
    for (const piece of pieces(text)) blocks.push(blockOf(piece, blocks.at(-1)?.end ?? start));
    blocks.forEach((block) => this.#fill(block));
    this.#box[before ? "prepend" : "append"](...blocks.map(({ node }) => node));
    this.#blocks = before ? [...blocks, ...this.#blocks] : [...this.#blocks, ...blocks];
  }

  /** Change what stands before without moving what is read. */
  #steady(change) {
    const { node } = this.#blocks[0], top = () => node.getBoundingClientRect().top, before = top();
    this.#box.classList.add("growing");
    change();
    this.#box.scrollTop += top() - before;
    this.#box.classList.remove("growing");
  }

  /** Mark passages, `{start, end, telling: {start, end}}`, one of which is the current one. */
  mark(passages, current) {
    [this.#passages, this.#current] = [passages, current];
    const touched = ({ marked, start, end }) => marked || passages.some((one) => one.start < end && one.end > start);
    this.#blocks.filter(touched).forEach((block) => this.#fill(block));
  }

  #fill(block) {
    const passages = this.#passages.filter(({ start, end }) => start < block.end && end > block.start);
    const breaks = this.#breaks.filter((start) => start >= block.start && start < block.end);
    const edges = [...breaks, ...passages.flatMap(({ start, end, telling }) => [start, telling.start, telling.end, end])];
    const inner = edges.filter((one) => one > block.start && one < block.end);
    const starts = [...new Set([block.start, ...inner])].sort((one, other) => one - other);
    const parts = cut(block.node.textContent, starts.slice(1).map((start) => start - block.start));
    const nodes = [];
    parts.forEach((part, n) => {
      const start = starts[n], over = passages.filter((one) => within(start, one));
      const name = over.length && (over.includes(this.#current) ? "cited current" : "cited");
      const inside = over.some(({ telling }) => within(start, telling)) ? make("mark", "", part) : part;
      const drawn = breaks.includes(start) ? [this.#break(start), inside] : [inside];
      if (name && nodes.at(-1)?.className === name) nodes.at(-1).append(...drawn);
      else nodes.push(...(name ? [make("span", name, ...drawn)] : drawn));
    });
    block.node.replaceChildren(...nodes);
    block.marked = passages.length > 0;
  }

  /** Shown by the style sheet, so that it is no part of the text. */
  #break(start) {
    const node = make("span", "break");
    node.dataset.page = this.#breaks.lastIndexOf(start) + 2;
    return node;
  }

  /** The characters of a place, as far as they are loaded. */
  range = ({ start, end }) => {
    const range = document.createRange();
    range.setStart(...this.#point(start));
    range.setEnd(...this.#point(end, true));
    return range;
  };

  #point(offset, ending = false) {
    const block = this.#blocks.findLast(({ start }) => (ending ? start < offset : start <= offset));
    const walker = document.createTreeWalker(block.node, NodeFilter.SHOW_TEXT);
    let left = offset - block.start;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const length = points(node.data);
      if (left < length || (ending && left === length)) return [node, cut(node.data, [left])[0].length];
      left -= length;
    }
    return [block.node, block.node.childNodes.length];
  }

  /** Bring a place to the middle of what is to be seen. */
  bring(place, smooth = false) {
    this.#place = place;
    const box = this.#box, range = this.range(place), near = range.startContainer.parentElement.closest("#text > div");
    this.#blocks.forEach(({ node }) => node.classList.toggle("near", node === near));
    const gap = () => {
      const { top, height } = range.getBoundingClientRect();
      return top - box.getBoundingClientRect().top - Math.max(32, (box.clientHeight - height) / 2);
    };
    if (smooth && !still() && !this.#loading && Math.abs(gap()) < 1.5 * box.clientHeight) {
      box.scrollBy({ top: gap(), behavior: "smooth" });
      return;
    }
    let frames = 6;  // blocks that come into view take their real heights
    const centre = () => {
      if (this.#place !== place || this.#told.signal.aborted) return;
      if (Math.abs(gap()) > 1) box.scrollTop += gap();
      if (frames--) requestAnimationFrame(centre);
    };
    centre();
  }

  /** About which character stands at the top of what is to be seen. */
  top() {
    const { top } = this.#box.getBoundingClientRect();
    for (const { node, start, end } of this.#blocks) {
      const seen = node.getBoundingClientRect();
      if (seen.bottom > top) return start + Math.floor((Math.max(0, top - seen.top) / seen.height) * (end - start));
    }
    return 0;
  }

  /** The number of the line in which a character stands; 0 while the text before it is not loaded. */
  line(offset) {
    if (this.start || !this.holds({ start: offset })) return 0;
    const last = this.#blocks.findLastIndex(({ start }) => start <= offset), { node, start } = this.#blocks[last];
    const inside = cut(node.textContent, [offset - start])[0].split("\n").length;
    return this.#blocks.slice(0, last).reduce((sum, { lines }) => sum + lines, inside);
  }
}

const within = (offset, { start, end }) => offset >= start && offset < end;

const points = (text) => text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);

const idle = () => new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve));

/** The first place from `at` on where a line begins, within a block's length; else where a word begins; else there. */
function edge(text, at) {
  const near = text.slice(at, at + BLOCK), next = at + (near.indexOf("\n") + 1 || near.search(/\s\S/) + 1);
  return /[\udc00-\udfff]/.test(text[next]) ? next + 1 : next;
}

function* pieces(text) {
  for (let at = 0, end; at < text.length; at = end) {
    end = text.length - at < 2 * BLOCK ? text.length : edge(text, at + BLOCK);
    yield text.slice(at, end);
  }
}

/** `--rows` tells the style sheet about how high it will be. */
function blockOf(text, start) {
  const node = make("div", "", text), lines = text.split("\n");
  node.style.setProperty("--rows", lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / 65)), 0));
  return { node, start, end: start + points(text), lines: lines.length - 1, marked: false };
}
