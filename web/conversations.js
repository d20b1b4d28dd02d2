// The list of earlier chats: open, rename, save as a file, delete.

import * as chat from "./chat.js";
import { askFor } from "./dialogs.js";
import { $, all, copyOf, download, offers, toast } from "./dom.js";
import { fileName, toJSON, toMarkdown } from "./export.js";
import * as route from "./route.js";
import * as store from "./store.js";

let drawn = "";
let deleted = [];  // can be brought back together: {removed, shown}

/** Draw the list anew if it has changed; what had the focus has it again. */
export async function draw() {
  const list = await store.conversations(), current = chat.shown().conversation?.id;
  const now = JSON.stringify([current, list.map(({ id, title, changed }) => [id, title, changed])]);
  if (now === drawn) return;
  drawn = now;
  const focused = document.activeElement.closest("#conversations > li")?.dataset.id;
  $("#conversations").replaceChildren(...list.map((one) => row(one, one.id === current)));
  const again = all("#conversations > li").find(({ dataset }) => dataset.id === focused);
  if (again) $(".name", again).focus();
}

function row(conversation, current) {
  const item = copyOf("conversation"), name = $(".name", item), menu = $(".menu", item);
  item.dataset.id = conversation.id;
  name.textContent = conversation.title;
  name.title = `${conversation.title}, ${new Date(conversation.changed).toLocaleString()}`;
  if (current) name.setAttribute("aria-current", "true");
  name.addEventListener("click", () => route.go("/", { conversation: conversation.id }));
  $("summary", menu).setAttribute("aria-label", `More for ${conversation.title}`);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    $("summary", menu).focus();
  });
  const acts = { rename, markdown: save(toMarkdown, "md", "text/markdown"), json: save(toJSON, "json", "application/json"), delete: remove };
  for (const [kind, act] of Object.entries(acts)) {
    $(`.${kind}`, menu).addEventListener("click", () => {
      menu.open = false;
      act(conversation);
    });
  }
  return item;
}

/** As it is kept by now: its documents may have been chosen since it was drawn. */
const current = async (drawn) => (await store.conversations()).find(({ id }) => id === drawn.id) ?? drawn;

async function rename(conversation) {
  const given = await askFor("Rename this chat", [{ name: "title", label: "Name", value: conversation.title }]);
  if (!given?.title.trim()) return;
  await chat.rename(await current(conversation), given.title.trim());
  draw();
}

const save = (form, ending, type) => async (conversation) =>
  download(fileName(conversation.title, ending), form(conversation, await answered(conversation), location.href), type);

const answered = async ({ id }) => (await store.turns(id)).filter(({ answer }) => answer);

async function remove(conversation) {
  const shown = chat.shown().conversation?.id === conversation.id;
  if (shown) route.go("/", { conversation: null });  // first: nothing on its way must be kept any more
  const removed = await store.remove(await current(conversation));
  await draw();
  ($("#conversations .name") ?? $("#new")).focus();
  if (!offers(undelete)) deleted = [];
  deleted.push({ removed, shown });
  toast(deleted.length > 1 ? `Deleted ${deleted.length} chats` : `Deleted “${conversation.title}”`, "Undo", undelete);
}

async function undelete() {
  const back = deleted, last = back.find(({ shown }) => shown);
  deleted = [];
  for (const { removed } of back) await store.restore(removed);
  if (last) route.go("/", { conversation: last.removed.conversation.id });
  draw();
}

/** Menus close when something else is pressed, or has the focus. */
for (const leaves of ["click", "focusin"]) addEventListener(leaves, ({ target }) =>
  all(".menu[open]").filter((menu) => !menu.contains(target)).forEach((menu) => (menu.open = false)));
