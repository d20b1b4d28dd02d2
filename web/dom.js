// The few ways in which the view modules touch the page. Text goes in as text, never as markup.

export const $ = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** A fresh copy of what the template of this id holds. */
export const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** A new element: `make("p", "quiet", "text")`, or with nodes in place of the text. */
export function make(tag, name = "", ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...inside);
  return node;
}

/** A button that says `words` and does `act`; `name` is what it is called where the words alone do not tell. */
export function button(words, act, name = "") {
  const node = make("button", "", words);
  node.type = "button";
  if (name) node.setAttribute("aria-label", name);
  node.addEventListener("click", act);
  return node;
}

/** Put a text into a node and hide the node while there is none. */
export function tell(node, text) {
  node.textContent = text;
  node.hidden = !text;
}

/** Hide a node; the focus goes on to another one, if it was there. */
export function conceal(node, next) {
  if (node.contains(document.activeElement)) next.focus({ preventScroll: true });
  node.hidden = true;
}

/** Message and hint of an error, as sentences. A first word that may be a file's name stays as it is. */
export function words(error) {
  const sentences = [error.message, error.hint].filter(Boolean).map((one) => one.replace(/^[a-z]+ /, (word) => word[0].toUpperCase() + word.slice(1)));
  return sentences.map((one) => (/[.?!…]$/.test(one) ? one : `${one}.`)).join(" ");
}

/** Say something to those who listen to the page. */
export function announce(text) {
  const region = $("#live");
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50);  // a change, also when it is the same text again
}

let leaving = 0, undoing = null;  // {act, taken}

/** A line at the foot of the page for some seconds, with something to do about it: `toast("Removed", "Undo", restore)`.
 *  It stays while it is pointed at or has the focus. Returns what takes it away earlier. */
export function toast(text, label = "", act = null, seconds = 8) {
  clearTimeout(leaving);
  const node = $("#toast"), line = make("span", "", text);
  const hide = () => {
    if (!line.isConnected || node.hidden) return;
    if (node.contains(document.activeElement)) $("#question").focus();
    node.hidden = true;
    undoing = null;
  };
  const taken = () => { hide(); act(); }, leave = () => (held() ? (leaving = setTimeout(leave, 2000)) : hide());
  node.replaceChildren(line, ...(act ? [button(label, taken)] : []));
  node.hidden = false;
  undoing = label === "Undo" ? { act, taken } : null;
  announce(undoing ? `${text}. Control Z brings it back.` : text);
  leaving = setTimeout(leave, seconds * 1000);
  return hide;
}

/** Whether somebody is at the toast. */
export const held = () => $("#toast").matches(":hover, :focus-within");

/** Whether the toast still offers this to undo something. */
export const offers = (act) => undoing?.act === act;

/** Undo what the toast offers to undo, if it does. */
export function undo() {
  if (!undoing) return false;
  undoing.taken();
  return true;
}

/** Put a text on the clipboard; where the browser does not allow it (a page without TLS), by way of a selection. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", "hidden"), before = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}

/** Copy a text and say so on the button for a moment. */
export async function copyBy(pressed, text, said = "Copied") {
  const label = (pressed.dataset.label ??= pressed.textContent), done = await copyText(text);  // it may say Copied already
  pressed.textContent = done ? said : "Not allowed here";
  announce(pressed.textContent);
  setTimeout(() => (pressed.textContent = label), 1500);
}

/** Offer a text as a file. */
export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = make("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
