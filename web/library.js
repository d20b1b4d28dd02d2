// The documents that are stored, how each was read, and the way in for more.

import * as api from "./api.js";
import { facts, notes } from "./text.js";
import { acceptDrops, send } from "./uploads.js";

const $ = (selector, within = document) => within.querySelector(selector);

async function draw() {
  try {
    const { total, documents } = await api.documents();
    $("#problem").hidden = true;
    $("#count").textContent = total === 1 ? "1 document" : `${total} documents`;
    $("#documents").replaceChildren(...documents.map(row));
  } catch (error) {
    tell(error);
  }
}

function row(about) {
  const item = $("#document").content.cloneNode(true).firstElementChild;
  $(".title", item).textContent = about.title;
  $(".title", item).href = about.url;
  $(".facts", item).textContent = facts(about);
  $(".sources", item).textContent = about.sources.join(" · ");
  const told = notes(about);
  $(".notes", item).hidden = !told;
  $(".notes", item).textContent = told;
  if (about.original_url) $(".original", item).href = about.original_url;
  else $(".original", item).remove();
  const remove = $(".remove", item);
  remove.setAttribute("aria-label", `Remove ${about.title}`);
  remove.addEventListener("click", () => ask(remove, about));
  return item;
}

/** The first click asks, a second one within a few seconds removes. */
async function ask(button, about) {
  if (button.dataset.sure) {
    try {
      await api.remove(about.url);
      await draw();
      $("#files").focus();
    } catch (error) {
      tell(error);
    }
    return;
  }
  button.dataset.sure = "yes";
  button.textContent = "Really remove?";
  setTimeout(() => {
    delete button.dataset.sure;
    button.textContent = "Remove";
  }, 4000);
}

function tell(error) {
  $("#problem").hidden = false;
  $("#problem").textContent = [error.message, error.hint].filter(Boolean).join(" ");
}

$("#files").addEventListener("change", (event) => {
  send($("#uploads"), [...event.target.files], draw);
  event.target.value = "";
});
acceptDrops($("#uploads"), draw);
draw();
