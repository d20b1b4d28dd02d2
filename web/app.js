// Puts the parts of the page together: what is shown follows the address.

import * as api from "./api.js";
import * as chat from "./chat.js";
import * as composer from "./composer.js";
import * as conversations from "./conversations.js";
import * as dialogs from "./dialogs.js";
import * as documents from "./document.js";
import { $, button, make, toast } from "./dom.js";
import * as keys from "./keys.js";
import * as library from "./library.js";
import * as route from "./route.js";
import * as scope from "./scope.js";
import * as settings from "./settings.js";
import * as status from "./status.js";
import * as store from "./store.js";
import { send } from "./uploads.js";

const SAMPLES = [
  "Who would monitor the ceasefire?",
  "How large an army could Ukraine keep?",
  "What might the occupied areas become?",
  "What is the capital of Australia?",
];
const frame = $("#frame"), panel = $("#panel");
const narrow = matchMedia("(max-width: 56rem)"), middle = matchMedia("(max-width: 100rem)");
let opener = null, open = "", followed = 0;  // what had the focus before the panel was opened; what is open in it; addresses so far

/** Show what the address says. */
async function follow({ path, hash, conversation, marks, chosen }) {
  const mine = ++followed;
  if (conversation === undefined) route.keep({ conversation: chat.shown().conversation?.id ?? null });
  else await chat.show(conversation);
  if (mine === 1 && conversation === null && chosen) scope.choose(chosen);  // a reload
  if (mine !== followed) return;
  chat.keepScope();
  const before = open, inside = panel.contains(document.activeElement);
  open = path === "/library" ? "library" : path.startsWith("/documents/") ? "document" : "";
  for (const [name, view] of [["library", library], ["document", documents]]) {
    $(`#${name}`).hidden = open !== name;
    if (open !== name && before === name) view.hide();
  }
  panel.hidden = !open;
  panel.setAttribute("aria-labelledby", `${open}-title`);
  frame.classList.toggle("open", Boolean(open));
  $("#open-library").setAttribute("aria-expanded", open === "library");
  drawer(false);
  cover();
  if (open === "library" && before !== open) library.show();
  if (open === "document") documents.show(path, hash, marks).then(() => chat.title());
  else chat.title();
  if (open && !before && !inside && document.activeElement !== document.body) opener = document.activeElement;
  if (open && open !== before) $(`#${open}-title`).focus({ preventScroll: true });
  if (!open && (inside || document.activeElement === document.body)) restoreFocus();
  conversations.draw();
}

function restoreFocus() {
  if (opener?.isConnected && opener !== document.body) opener.focus({ preventScroll: true });
  else composer.focus();
}

/** What lies under something else can be neither reached nor heard. */
function cover() {
  $("#chat").inert = Boolean(open) && narrow.matches;
  $("#menu").setAttribute("aria-expanded", $("#rail").checkVisibility());
}

/** The list of chats: beside the chat where there is room, else over it for as long as it is needed. */
function drawer(show) {
  if (frame.classList.contains("railed") === show) return;
  const inside = $("#rail").contains(document.activeElement);
  frame.classList.toggle("railed", show);
  cover();
  if (show) $("#new").focus();
  else if (inside && !$("#rail").checkVisibility()) $("#menu").focus();
}

function toggleRail() {
  if (narrow.matches || (middle.matches && open)) drawer(!frame.classList.contains("railed"));
  else settings.set({ rail: frame.classList.toggle("railless") === false });
  cover();
}

function close() {
  if (frame.classList.contains("railed")) drawer(false);
  else if (open) route.go("/");
  else return false;
  return true;
}

function newChat() {
  route.go("/", { conversation: null });
  drawer(false);
  composer.focus();
}

/** Links inside the service open beside the chat; with a key held, as the browser does. */
function clicked(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const opens = link.origin === location.origin && !link.hasAttribute("download") && link.target !== "_blank"
    && (link.pathname === "/library" || /^\/documents\/[^/]+$/.test(link.pathname));
  if (link.matches(".skip")) (($("#chat").inert ? $(`#${open}-title`) : $("#question")).focus());
  else if (link.closest(".brand")) newChat();
  else if (opens) openAt(link, link);
  else return;
  event.preventDefault();
}

/** Open an address beside the chat, with the other passages of the answer that a node belongs to marked as well. */
function openAt(node, { pathname, hash }) {
  if (!panel.contains(node)) opener = node;
  route.go(pathname + hash, { marks: chat.marksFor(node, pathname) });
}

function openFocused() {
  const address = document.activeElement.closest(".passage")?.dataset.address;
  if (!address) return false;
  openAt(document.activeElement, new URL(address, location));
  return true;
}

function sample(question) {
  return make("li", "", button(question, () => ask(question)));
}

/** Questions to try, as long as the documents that they are about are there. */
async function offerSamples() {
  const { documents: found } = await api.documents({ q: "seeds/", limit: 1 }).catch(() => ({ documents: [] }));
  $("#samples").replaceChildren(...(found.some(({ source }) => source.startsWith("seeds/")) ? SAMPLES.map(sample) : []));
}

function ask(question) {
  if (location.search && chat.shown().turns.length) route.go("/", {}, true);
  return chat.send(question);
}

function addText(text) {
  const name = `Pasted ${new Date().toLocaleString("sv").replaceAll(":", ".")}.txt`;
  route.go("/library");
  send([{ file: new File([text], name), name }], {}, () => { status.refresh(); library.refresh(); });
}

async function unkept(error) {
  const why = error?.name === "QuotaExceededError" ? "its storage is full. Save or delete some" : `it says ${error?.message || error}`;
  const line = $("#unkept");
  line.hidden = false;
  line.textContent = `This browser does not keep your chats: ${why}. They stay until this page is closed.`;
}

/** What is jumped to or has the focus must not lie under the bar with its notice, nor under the field. */
function makeRoom() {
  for (const [name, node] of [["--bar", $(".bar")], ["--ask", $("#ask")]]) $("#chat").style.setProperty(name, `${node.offsetHeight}px`);
}

const escape = () => close() || (composer.idle() && chat.newest());

async function begin() {
  frame.classList.toggle("railless", settings.get().rail === false);
  settings.setup();
  library.setup({ changed: () => { status.refresh(); offerSamples(); }, opened: () => open !== "library" && route.go("/library") });
  chat.setup({ before: library.settle, answered: composer.answered, after: () => { status.refresh(); conversations.draw(); } });
  composer.setup(() => chat.shown().turns.map(({ question }) => question), ask, addText);
  scope.whenChosen((chosen) => {
    composer.showScope(chosen, button("Ask all", () => { scope.choose({}); composer.focus(); }));
    chat.keepScope();
  });
  addEventListener("click", clicked);
  for (const leaves of ["focusin", "pointerdown"]) addEventListener(leaves, ({ target }) => target.closest?.("#rail, #menu, dialog") || drawer(false));
  $("#new").addEventListener("click", newChat);
  $("#menu").addEventListener("click", toggleRail);
  $("#open-library").addEventListener("click", () => (open === "library" ? route.go("/") : route.go("/library")));
  document.querySelectorAll("#panel .close").forEach((one) => one.addEventListener("click", close));
  document.querySelectorAll("[data-open]").forEach((one) => one.addEventListener("click", () => dialogs.open(one.dataset.open)));
  $("[data-open=settings]").addEventListener("click", countJudgements);
  narrow.addEventListener("change", cover);
  middle.addEventListener("change", cover);
  keys.setup({
    Escape: escape, "/": composer.focus, c: newChat, l: () => route.go("/library"), "?": () => dialogs.open("help"),
    j: () => keys.step(1), k: () => keys.step(-1), n: () => documents.step(1), p: () => documents.step(-1),
    f: () => (open === "document" ? $("#words").focus() : false), o: openFocused,
  });
  status.whenBack(library.refresh);
  status.setup();
  const room = new ResizeObserver(makeRoom);
  for (const node of [$(".bar"), $("#ask")]) room.observe(node);
  offerSamples();
  await store.open(unkept, (id) => { chat.changedElsewhere(id); conversations.draw(); });
  await route.start(follow);
  const question = new URLSearchParams(location.search).get("q")?.trim();
  if (question && composer.fits(question)) chat.sendOnce(question);
  else {
    if (question) composer.offer(question);
    if (!open) composer.focus();
  }
}

async function countJudgements() {
  const count = await api.judgements().catch(() => null);
  $("#said").textContent = count === null ? "What you said of passages" : `What you said of passages: ${count.toLocaleString("en")}`;
}

addEventListener("unhandledrejection", ({ reason }) => toast(`Something failed in this page: ${reason?.message ?? reason}`));

begin();
