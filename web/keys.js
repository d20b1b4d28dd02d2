// Shortcuts, and the list of them in the help.

import { $, all, make, undo } from "./dom.js";
import { get } from "./settings.js";

const TOLD = [
  [["Enter"], "ask"], [["Shift", "Enter"], "a new line"], [["↑", "↓"], "earlier and later questions, in the empty field"],
  [["Esc"], "close what is open; in the empty field, to the newest answer"],
  [["Ctrl", "Z"], "bring back what was removed, as long as that is offered"], [["/"], "to the question"],
  [["j", "k"], "the next, the previous passage of the chat"],
  [["o"], "open the passage in its document"], [["n", "p"], "the next, the previous mark in the document"], [["f"], "find in the document"],
  [["c"], "new chat"], [["l"], "library"], [["?"], "this help"],
];

/** `acts`: what each key does, by its name; keys of one letter only while nobody types and the settings allow them. */
export function setup(acts) {
  $("#shortcuts").replaceChildren(...TOLD.flatMap(([keys, does]) => {
    const name = make("dt");
    keys.forEach((key, n) => name.append(...(n ? [" "] : []), make("kbd", "", key)));
    return [name, make("dd", "", does)];
  }));
  addEventListener("keydown", (event) => {
    const undoes = (event.ctrlKey || event.metaKey) && event.key === "z" && !event.target.matches("textarea, [type=search], [type=text]");
    if (undoes && undo()) event.preventDefault();
    const act = acts[event.key], typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (!act || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.keyCode === 229 || $("dialog[open]")) return;
    if (event.key.length === 1 && (typing || !get().shortcuts)) return;
    if (act() !== false) event.preventDefault();
  });
}

/** Put the focus on the next (1) or previous (-1) passage of the chat. */
export function step(by) {
  const stops = all("#turns .citation, #turns summary").filter((one) => one.checkVisibility());
  const here = stops.indexOf(document.activeElement);
  const next = stops[here < 0 ? (by > 0 ? firstOfLast(stops) : stops.length - 1) : here + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const firstOfLast = (stops) => stops.findIndex((one) => one.closest(".turn") === $("#turns").lastElementChild);
