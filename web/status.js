// How the service is: what it searches, how, whether it is there, and whether it is still the one that this page came from.

import * as api from "./api.js";
import { $, announce, button, make, words } from "./dom.js";

const BEAT = 30, LOADING = 1, AWAY = 2;  // seconds until it is looked at again
const UNKNOWN = "the embedding model does not know the words of this question";
const backs = new Set();
let version = null, known = null, away = false, next = 0, latest = 0, waiting = [];

/** Look at it from now on: at every request that finds it away, when this page comes to be seen, and in between as long as it is. */
export function setup() {
  api.whenMissed(() => away || refresh());
  document.addEventListener("visibilitychange", beat);
  addEventListener("online", beat);
  $("#sign-out").addEventListener("click", signOut);
  return refresh();
}

/** `act` is called each time that the service answers again after it did not. */
export function whenBack(act) {
  backs.add(act);
}

export const loading = () => known?.model.state === "loading";

/** Resolves as soon as the model is there, or known not to come. */
export const loaded = () => new Promise((resolve) => (known && !away && !loading() ? resolve() : waiting.push(resolve)));

/** Why a question that was just answered by its words alone was not searched by meaning too. */
export async function lacking() {
  const before = known?.model.reason;
  await refresh();
  return known?.model.reason ?? before ?? (away ? "" : UNKNOWN);
}

/** Look now. */
export async function refresh() {
  clearTimeout(next);
  const mine = ++latest, [state, error] = await api.health().then((one) => [one], (reason) => [null, reason]);
  if (mine !== latest) return;  // a later look tells
  if (state) take(state);
  else {
    away = true;
    if (error.signedOut) notice(words(error), signIn());
    else notice(`${words(error)} Trying again.`);
  }
  next = setTimeout(beat, (away ? AWAY : loading() ? LOADING : BEAT) * 1000);
}

/** In a window of its own: what is written or open here stays. */
function signIn() {
  const link = make("a", "", "Sign in");
  [link.href, link.target] = ["/sign-in", "_blank"];
  return link;
}

async function signOut() {
  await api.signOut().catch(() => {});
  location.assign("/sign-in");
}

const beat = () => document.hidden || refresh();

function take(state) {
  const absent = away;
  [known, away] = [state, false];
  version ??= state.version;
  show(state, absent);
  if (absent) backs.forEach((act) => act());
  if (!loading()) waiting.splice(0).forEach((go) => go());
}

function show(state, absent) {
  $("#open-library").replaceChildren("Library ", make("span", "quiet", state.documents.toLocaleString("en")));
  $("#sign-out").hidden = !state.client;
  $("#sign-out").title = state.client ? `Signed in as ${state.client.name}, to ${state.client.scope}` : "";
  $("#open-library").title = `${state.documents.toLocaleString("en")} documents, ${state.passages.toLocaleString("en")} passages`;
  if (state.version !== version) notice(`The service is another version now (${state.version}).`, button("Reload the page", () => location.reload()));
  else if (state.status === "failing") notice(words({ message: state.reason }));
  else if (state.degraded) notice(words({ message: `${state.ready ? "Passages may be missing" : "No question can be answered"}: ${state.degraded}` }));
  else notice(state.retrieval === "hybrid" ? "" : words({ message: `Keyword search only: ${state.reason}` }));
  if (absent && $("#notice").hidden) announce("The service answers again.");
}

function notice(text, ...more) {
  const line = $("#notice");
  line.hidden = !text;
  if ((line.firstChild?.textContent ?? "") === text) return;
  line.replaceChildren(...(text ? [text, ...more] : []));
  if (text) announce(text);
}
