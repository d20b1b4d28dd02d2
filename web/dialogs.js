// Small windows in front of the page: settings, help, and one that asks for a few words.

import { $, make } from "./dom.js";

const dialog = $("#naming");

export function open(id) {
  const wanted = document.getElementById(id);
  if (!wanted.open) wanted.showModal();
}

let answer = () => {};

/** Ask for some words: `fields` are `{name, label, value, type, choices}`, of `choices` either one or, separated by
 *  commas, `several`. The values by name, or null when it was cancelled. */
export function askFor(title, fields) {
  answer();  // the one before may be closed without having been told so
  $("h2", dialog).textContent = title;
  $("#fields").replaceChildren(...fields.map(field));
  dialog.returnValue = "";
  dialog.showModal();
  $("input", dialog).select();
  return new Promise((resolve) => (answer = () => {
    if (!dialog.open) resolve(dialog.returnValue === "keep" ? Object.fromEntries(new FormData($("form", dialog))) : null);
  }));
}

dialog.addEventListener("close", () => answer());  // comes late: another one may be open by then
$("#cancel").addEventListener("click", () => dialog.close(""));  // no submit button: Enter keeps

function field({ name, label, value = "", type = "text", choices = [], several = false }) {
  const input = make("input"), list = make("datalist");
  Object.assign(input, { type, name, value, maxLength: 500, dir: "auto", autocomplete: "off" });
  list.id = `choices-${name}`;
  const offer = () => {
    const kept = several ? input.value.replace(/[^,]*$/, "") : "";
    list.replaceChildren(...choices.map((choice) => Object.assign(make("option"), { value: kept ? `${kept} ${choice}` : choice })));
  };
  input.addEventListener("input", offer);
  offer();
  if (choices.length) input.setAttribute("list", list.id);
  return make("label", "", label, input, list);
}
