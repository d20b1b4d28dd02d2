// The library: the documents that there are, which of them are asked, and the way in for more.

import * as api from "./api.js";
import { $, all, announce, button, held, make, tell, toast, words } from "./dom.js";
import * as scope from "./scope.js";
import { askLabels, row } from "./shelf.js";
import { typeName } from "./text.js";
import { acceptDrops, send } from "./uploads.js";

const PAGE = 100, MOST = 1000, UNDO = 8000;  // documents fetched at once, listed and asked at most; milliseconds
const list = $("#documents"), heading = $("#library-title"), search = $("#search"), problem = $("#library-problem");
const collection = $("#collection"), tag = $("#tag"), type = $("#type"), selects = { collection, tag, type };
const EMPTY = [make("p", "", "Nothing in the library yet."), make("p", "quiet", "Add some files, then ask what stands in them.")];
const UNMATCHED = [make("p", "", "No documents match."), button("Show all documents", unfilter)];

let changed, labels = { collections: [], tags: [] }, found = { total: 0, documents: [] }, looked = false, latest = 0, typing = 0;
let ticked = new Set();  // ids
let undoable = [], due = 0, unsay = () => {};  // removed here, not yet by the service: {about, asked}
const gone = new Set();  // their ids, and those that are being removed

/** `changed` is called when documents were added, removed or relabelled; `opened` when files were dropped. */
export function setup(app) {
  changed = app.changed;
  const take = (files) => send(files, collection.value ? { collection: collection.value } : {}, altered);
  acceptDrops((files) => { app.opened(); take(files); });
  $("#files").addEventListener("change", ({ target }) => {
    take([...target.files].map((file) => ({ file, name: file.name })));
    target.value = "";
  });
  $("#filter").addEventListener("submit", (event) => event.preventDefault());
  $("#filter").addEventListener("change", ({ target }) => target !== search && narrow());
  search.addEventListener("keydown", (event) => event.key === "Escape" && search.value && event.stopPropagation());  // it is emptied
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(narrow, 200); });
  $("#more-documents").addEventListener("click", more);
  $("#tick-all").addEventListener("change", ({ target }) => tick(shown(), target.checked));
  $("#ask-these").addEventListener("click", () => scope.choose(isAsked() ? {} : filter()));
  scope.whenChosen(mark);
  addEventListener("pagehide", () => carryOut(true));
  mark();
}

/** Look again, and keep the place. */
export async function refresh() {
  if (!$("#library").hidden) await look(Math.min(MOST, Math.max(PAGE, found.documents.length)));
}

export { refresh as show };
export const hide = () => clearTimeout(typing);

/** Carry out now what was removed and could still be brought back. */
export const settle = () => carryOut();

const altered = () => { changed(); refresh(); };
const filter = () => ({ collections: [collection.value].filter(Boolean), tags: [tag.value].filter(Boolean) });
const shown = () => found.documents.filter(({ id }) => !gone.has(id));
const rowOf = (id) => all("li", list).find((item) => item.dataset.id === id);
const query = () => ({ q: search.value.trim(), ...filter(), types: type.value, order: $("#order").value });
const isFiltered = () => [search, collection, tag, type].some(({ value }) => value.trim());

/** After another filter: from the first document on. */
async function narrow() {
  clearTimeout(typing);
  await look(PAGE);
  if (list.getBoundingClientRect().top < heading.getBoundingClientRect().top) list.scrollIntoView();
}

function unfilter() {
  for (const field of [search, collection, tag, type]) field.value = "";
  search.focus();
  narrow();
}

async function look(limit, offset = 0) {
  const mine = ++latest;
  list.setAttribute("aria-busy", "true");
  try {
    const [known, reply] = await Promise.all([api.labels(), api.documents({ ...query(), limit, offset })]);
    if (mine !== latest) return;
    if (offerLabels(known)) return await look(limit);
    const before = found.documents.slice(0, offset).filter(({ id }) => !reply.documents.some((one) => one.id === id));
    looked = true;
    found = { total: reply.total, documents: [...before, ...reply.documents] };
    if (problem.contains(document.activeElement)) heading.focus();
    problem.hidden = true;
    draw();
  } catch (error) {
    if (mine === latest) fail(error);
  }
  if (mine === latest) list.removeAttribute("aria-busy");
}

function fail(error) {
  const again = button("Try again", refresh), focused = problem.contains(document.activeElement);
  problem.hidden = false;
  problem.replaceChildren(words(error), again);
  if (focused) again.focus();
}

async function more() {
  const before = list.children.length;
  await look(PAGE, found.documents.length);
  all(".name", list)[before]?.focus();
}

/** Fill the selects; whether something is no more that the list was narrowed to. */
function offerLabels(known) {
  const before = JSON.stringify(query());
  if (JSON.stringify(known) !== JSON.stringify(labels)) {
    labels = known;
    offer(collection, "All collections", known.collections);
    offer(tag, "All tags", known.tags);
    offer(type, "All types", known.types, 2);
  }
  return JSON.stringify(query()) !== before;
}

function offer(select, everything, choices, least = 1) {
  const { value } = select, called = (name) => (select === type ? typeName(name) : name);
  select.replaceChildren(new Option(everything, ""),
    ...choices.map(({ name, documents }) => new Option(`${called(name)} (${documents.toLocaleString("en")})`, name)));
  select.value = choices.some(({ name }) => name === value) ? value : "";
  select.parentElement.hidden = choices.length < least;
}

/** Draw the list anew; what had the focus has it again. */
function draw() {
  const held = document.activeElement, id = held.closest("#documents li")?.dataset.id;
  const same = (one) => one.className === held.className && one.textContent === held.textContent;
  const chosen = { collection: collection.value, tag: tag.value };
  const does = { tick: (about, on) => tick([about], on), narrow: (kind, name) => { selects[kind].value = name; narrow(); }, relabel, remove };
  list.replaceChildren(...shown().map((about) => row(about, ticked.has(about.id), chosen, does)));
  if (id) (all("a, button, input", rowOf(id) ?? make("li")).find(same) ?? heading).focus({ preventScroll: true });
  head();
}

/** What stands above the list and below it. */
function head() {
  const here = shown(), on = here.filter(({ id }) => ticked.has(id)).length, box = $("#tick-all");
  const count = found.total - found.documents.length + here.length, number = count.toLocaleString("en");
  const offered = isAsked() ? "Ask all again" : askable();
  $("#filter").hidden = !count && !isFiltered();
  $("#picked").hidden = !count;
  $("#order").parentElement.hidden = count < 2;
  $("#found").textContent = [isFiltered() ? `${number} found` : `${number} document${count === 1 ? "" : "s"}`,
    ticked.size && `${ticked.size.toLocaleString("en")} ticked`].filter(Boolean).join(" · ");
  $("#hint").hidden = Boolean(offered) || count < 2;
  tell($("#ask-these"), offered);
  box.checked = on > 0 && on === here.length;
  box.indeterminate = on > 0 && on < here.length;
  $("#more-documents").hidden = found.documents.length >= found.total;
  $("#no-documents").hidden = count > 0 || !looked;
  $("#no-documents").replaceChildren(...(isFiltered() ? UNMATCHED : EMPTY));
}

/** Whether just what the list is narrowed to is asked; where it is not narrowed, whether anything less than all. */
function isAsked() {
  if (!collection.value && !tag.value) return !scope.isAll();
  return JSON.stringify(scope.current()) === JSON.stringify({ documents: [], ...filter() });
}

/** What the button offers to ask. */
function askable() {
  if (collection.value && tag.value) return "Ask only these";
  return collection.value ? "Ask only this collection" : tag.value && "Ask only this tag";
}

function tick(documents, on) {
  const ids = new Set(documents.map(({ id }) => id)), others = scope.current().documents.filter(({ id }) => !ids.has(id));
  const next = on ? [...others, ...documents.map(({ id, title }) => ({ id, title }))] : others;
  if (next.length > MOST) toast(`No more than ${MOST.toLocaleString("en")} documents can be ticked.`);
  scope.choose({ documents: next.slice(0, MOST) });
}

/** The choice was changed, here or elsewhere. */
function mark() {
  ticked = new Set(scope.current().documents.map(({ id }) => id));
  all("li", list).forEach((item) => ($(".tick", item).checked = ticked.has(item.dataset.id)));
  head();
}

async function relabel(about, given = about) {
  const wanted = await askLabels(about.title, given, labels);
  if (!wanted) return;
  try {
    await api.label(about.url, wanted);
    altered();
  } catch (error) {
    toast(`Not kept: ${words(error)}`, "Change it", () => relabel(about, wanted), 30);
  }
}

/** From the list at once; from the service when it can no longer be undone. */
function remove(about) {
  const item = rowOf(about.id), next = item.nextElementSibling ?? item.previousElementSibling, asked = ticked.has(about.id);
  undoable.push({ about, asked });
  gone.add(about.id);
  item.remove();
  (next ? $(".remove", next) : heading).focus();
  head();
  if (asked) tick([about], false);
  clearTimeout(due);
  due = setTimeout(expire, UNDO);
  unsay = toast(undoable.length > 1 ? `Removed ${undoable.length} documents` : `Removed ${about.title}`, "Undo", undo);
}

function undo() {
  const back = takeUndoable();
  restore(back);
  (all(".remove", rowOf(back.at(-1).about.id) ?? list)[0] ?? heading).focus();
  announce("Undone");
}

/** Not while somebody is about to undo it. */
function expire() {
  if (held()) due = setTimeout(expire, UNDO / 4);
  else settle();
}

function takeUndoable() {
  const taken = undoable;
  undoable = [];
  clearTimeout(due);
  unsay();
  return taken;
}

function restore(back) {
  back.forEach(({ about }) => gone.delete(about.id));
  draw();
  const asked = back.filter((one) => one.asked).map(({ about }) => about);
  if (asked.length) tick(asked, true);
}

async function carryOut(keepalive = false) {
  const taken = takeUndoable();
  await Promise.all(taken.map((one) => removeNow(one, keepalive)));
  if (taken.length) altered();
}

/** What somebody else has removed meanwhile is no failure. */
async function removeNow(one, keepalive) {
  const { id, url, title } = one.about, error = await api.remove(url, keepalive).then(() => null, (reason) => reason);
  if (error && error.status !== 404) {
    restore([one]);
    return toast(`${title} was not removed: ${words(error)}`, "", null, 20);
  }
  const left = found.documents.filter((about) => about.id !== id);
  found = { total: found.total - (found.documents.length - left.length), documents: left };
  gone.delete(id);
}
