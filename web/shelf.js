// One document of the library: its row in the list, and its labels.

import { askFor } from "./dialogs.js";
import { $, button, copyOf, tell } from "./dom.js";
import { facts, notes, shortened } from "./text.js";

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

/** `does` is what can be done: tick(about, on), narrow(kind, name), relabel(about), remove(about). `chosen` tells what
 *  the list is narrowed to: `{collection, tag}`. */
export function row(about, ticked, chosen, does) {
  const item = copyOf("shelved"), part = (name) => $(`.${name}`, item);
  const act = (name, called, event, then) => {
    part(name).setAttribute("aria-label", called);
    part(name).addEventListener(event, () => then(about, part(name).checked));
  };
  item.dataset.id = about.id;
  part("name").textContent = shortened(about.title);
  part("name").title = about.title;
  part("name").href = about.url;
  part("tick").checked = ticked;
  part("facts").textContent = [facts({ ...about, characters: 0, tables: 0 }), `added ${DAY.format(about.added_at * 1000)}`,
    about.dated && `dated ${day(about.dated)}`].filter(Boolean).join(" · ");
  tell(part("sources"), sources(about));
  part("sources").title = about.sources.join(", ");
  tell(part("state"), about.passages_not_embedded ? "found by keywords only, so far" : "");
  tell(part("notes"), notes(about));
  const labels = [["collection", about.collection], ...about.tags.map((tag) => ["tag", tag])].filter(([, name]) => name);
  part("labels").hidden = !labels.length;
  part("labels").append(...labels.map(([kind, name]) => chip(kind, name, chosen[kind] === name, does.narrow)));
  act("tick", `Ask ${about.title}`, "change", does.tick);
  act("relabel", `Tags of ${about.title}`, "click", does.relabel);
  act("remove", `Remove ${about.title}`, "click", does.remove);
  part("original").setAttribute("aria-label", `Download ${about.title}`);
  if (about.original_url) part("original").href = about.original_url;
  else part("original").remove();
  return item;
}

/** Narrows the list to what it names, or no longer. */
function chip(kind, name, on, narrow) {
  const node = button(name, () => narrow(kind, on ? "" : name), `Only the ${kind} ${name}`);
  node.className = `chip ${kind}`;
  node.dir = "auto";
  node.setAttribute("aria-pressed", on);
  return node;
}

function day(date) {
  const noon = new Date(`${date}T12:00`);
  return Number.isNaN(noon.getTime()) ? date : DAY.format(noon);
}

/** Where it came from, unless the title says it. */
export function sources({ title, sources: [...names] }, most = 120) {
  const told = names.filter((name) => name !== title), more = told.length - 3;
  return told.slice(0, 3).map((name) => shortened(name, most)).join(" · ") + (more > 0 ? ` and ${more} more` : "");
}

/** Ask for `{collection, tags}`, those `given` to begin with; null when it was cancelled. */
export async function askLabels(title, given, known) {
  const names = (some) => some.map(({ name }) => name);
  const typed = await askFor(title, [
    { name: "collection", label: "Collection", value: given.collection, choices: names(known.collections) },
    { name: "tags", label: "Tags, separated by commas", value: given.tags.join(", "), choices: names(known.tags), several: true },
  ]);
  return typed && { collection: typed.collection.trim(), tags: typed.tags.split(",").map((tag) => tag.trim()).filter(Boolean) };
}
