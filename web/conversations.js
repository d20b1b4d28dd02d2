// The list of earlier chats: open, rename, save as a file, delete.

import * as chat from "./chat.js";
import { askFor } from "./dialogs.js";
import { $, all, copyOf, download, toast } from "./dom.js";
import { fileName, toJSON, toMarkdown } from "./export.js";
import * as route from "./route.js";
import * as store from "./store.js";

let drawn = "";

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

async function rename(conversation) {
  const given = await askFor("Rename this chat", [{ name: "title", label: "Name", value: conversation.title }]);
  if (!given?.title.trim()) return;
  await chat.rename(conversation, given.title.trim());
  draw();
}

const save = (form, ending, type) => async (conversation) =>
  download(fileName(conversation.title, ending), form(conversation, await store.turns(conversation.id), location.href), type);

async function remove(conversation) {
  const shown = chat.shown().conversation?.id === conversation.id;
  const removed = await store.remove(conversation);
  if (shown) route.go("/", { conversation: null });
  await draw();
  ($("#conversations .name") ?? $("#new")).focus();
  toast(`Deleted “${conversation.title}”`, "Undo", async () => {
    await store.restore(removed);
    if (shown) route.go("/", { conversation: conversation.id });
    draw();
  });
}

/** Menus close when something else is pressed, or has the focus. */
for (const leaves of ["click", "focusin"]) addEventListener(leaves, ({ target }) =>
  all(".menu[open]").filter((menu) => !menu.contains(target)).forEach((menu) => (menu.open = false)));
