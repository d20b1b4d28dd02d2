// How the service is: what it searches, how, whether it is there, and whether it is still the one that this page came from.

import * as api from "./api.js";
import { $, announce, button, make, words } from "./dom.js";

let version = null, away = false, next = 0;

/** `back()` is called when the service answers again after it did not. */
export async function refresh(back = () => {}) {
  clearTimeout(next);
  const again = (seconds) => (next = setTimeout(refresh, seconds * 1000, back));
  try {
    const state = await api.health();
    if (away) back();
    away = false;
    version ??= state.version;
    show(state);
    if (state.model.state === "loading") again(1);
  } catch (error) {
    away = true;
    notice(`${words(error)} Trying again.`);
    again(2);
  }
}

function show(state) {
  $("#open-library").replaceChildren("Library ", make("span", "quiet", state.documents.toLocaleString("en")));
  $("#open-library").title = `${state.documents.toLocaleString("en")} documents, ${state.passages.toLocaleString("en")} passages`;
  if (state.version !== version) notice(`The service is another version now (${state.version}).`, button("Reload the page", () => location.reload()));
  else if (state.status === "failing") notice(words({ message: state.reason }));
  else notice(state.retrieval === "hybrid" ? "" : words({ message: `Keyword search only: ${state.reason}` }));
}

function notice(text, ...more) {
  const line = $("#notice");
  line.hidden = !text;
  if ((line.firstChild?.textContent ?? "") === text) return;
  line.replaceChildren(...(text ? [text, ...more] : []));
  if (text) announce(text);
}
