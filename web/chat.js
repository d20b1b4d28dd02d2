// The conversation: asks, shows the turns, keeps them.

import * as api from "./api.js";
import { $, announce, still, toast, words } from "./dom.js";
import * as route from "./route.js";
import * as scope from "./scope.js";
import * as settings from "./settings.js";
import * as status from "./status.js";
import * as store from "./store.js";
import { historyOf } from "./text.js";
import { press, redraw, spoken, turnNode, wait } from "./turn.js";

const SLOW = 3;  // seconds after which it is said that an answer takes long
const TRIES = 3;  // so often a question is asked again by itself: it may be what the service fails of
const repeats = new WeakMap();  // how often each turn was
const UNANSWERED = { message: "Not answered.", status: -1 };
const AGAIN = { message: "Not answered. The service is back and loads its model: this is asked again as soon as that is ready.", status: 0 };
let conversation = null, turns = [], asking = null, opening = 0, gone = false;  // asking: {turn, closing}; gone: deleted in another tab
let hooks = {};

/** `before()` is awaited before each question, `answered(question)` called when one was, `after()` then or when it failed. */
export function setup(given) {
  hooks = given;
  status.whenBack(retry);
}

export const shown = () => ({ conversation, turns });

/** Show a conversation from the store; without an id, or with one that is not there any more, an empty chat. */
export async function show(id) {
  const mine = ++opening;
  if (id === (conversation?.id ?? null)) return;
  stop();
  const [all, kept] = id ? await Promise.all([store.conversations(), store.turns(id)]) : [[], []];
  if (mine !== opening) return;  // another one is wanted by now
  const found = all.find((one) => one.id === id);
  [conversation, turns, gone] = [found ?? null, found ? kept.map(opened) : [], false];
  scope.choose(found?.scope ?? {});
  draw();
}

/** Another tab has changed a conversation: take over what is new in it. What is on its way here stays. */
export async function changedElsewhere(id) {
  if (id !== conversation?.id) return;
  const here = turns, [all, kept] = await Promise.all([store.conversations(), store.turns(id)]);
  if (here !== turns) return;  // another one is shown by now
  const found = all.find((one) => one.id === id);
  if (!found && !gone) toast("This chat was deleted in another tab. Ask on, and it is kept again.");
  gone = !found;
  Object.assign(conversation, found);
  kept.forEach(takeOver);
  title();
}

const opened = (turn) => (turn.answer ? turn : { ...turn, error: UNANSWERED });

function takeOver(turn) {
  const known = turns.find(({ id }) => id === turn.id);
  if (!turn.answer || (known && known === asking?.turn)) return;  // it is being asked, there or here
  const same = known && JSON.stringify(known) === JSON.stringify(turn);
  if (same) return;
  if (known) redraw(nodeOf(Object.assign(known, turn, { error: undefined })), known, acts);
  else {
    const before = turns.findIndex(({ at }) => at > turn.at);
    const node = turnNode(turn, acts);
    $("#turns").insertBefore(node, before < 0 ? null : nodeOf(turns[before]));
    turns.splice(before < 0 ? turns.length : before, 0, turn);
    $("#welcome").hidden = true;
  }
}

/** Ask a question; `false` while another one is being asked. */
export function send(question) {
  if (asking) return false;
  const last = turns.at(-1);
  if (last?.error && last.question === question) return acts.again(Object.assign(last, { scope: scope.current() }), {});
  begin(question);
  const turn = { id: unique(), conversation: conversation.id, at: Date.now(), question, judged: {}, scope: scope.current() };
  turns.push(turn);
  $("#turns").append(turnNode(turn, acts));
  return settle(turn);
}

/** Ask a question of an address, once: after a reload the one that was not answered before it. */
export function sendOnce(question) {
  const [first] = turns;
  if (!first) send(question);
  else if (turns.length === 1 && !first.answer && first.question === question) acts.again(first, {});
}

/** Ask the last question again if the service did not answer it at all, as soon as it searches by meaning too. */
async function retry() {
  const last = turns.at(-1);
  if (last?.error?.status !== 0 || (repeats.get(last) ?? 0) >= TRIES) return;
  if (status.loading()) {
    last.error = AGAIN;
    redraw(nodeOf(last), last, acts);
    announce(words(AGAIN));
    await status.loaded();
  }
  if (!turns.includes(last) || last.error?.status !== 0) return;  // asked again by hand, or another chat is shown
  repeats.set(last, (repeats.get(last) ?? 0) + 1);
  if (acts.again(last, {}) === false) redraw(nodeOf(last), Object.assign(last, { error: UNANSWERED }), acts);
}

/** To the newest answer, as far as there is one. */
export function newest() {
  const last = $("#turns").lastElementChild;
  if (last) look(last);
  return Boolean(last);
}

/** A conversation was renamed. */
export async function rename(one, name) {
  const changed = one.id === conversation?.id ? conversation : one;
  changed.title = name;
  await store.keep(changed);
  title();
}

/** Keep the choice of documents: with the conversation; before there is one, with the address, for a reload. */
export function keepScope() {
  const chosen = scope.current();
  if (!conversation) route.keep({ chosen });
  else if (JSON.stringify(conversation.scope) !== JSON.stringify(chosen)) {
    conversation.scope = chosen;
    store.keep(conversation);
  }
}

/** The passages that stand in the document of a path, of the answer that a node belongs to. */
export function marksFor(node, path) {
  const turn = turns.find(({ id }) => `turn-${id}` === node.closest(".turn")?.id);
  return turn?.answer?.passages.filter(({ citation }) => citation.url.split("#")[0] === path)
    .map(({ citation: { start, end, quote }, highlights: [mark] }) => ({ start, end, quote, mark: mark ? { start: mark.start, end: mark.end } : null }));
}

const acts = {
  again(turn, changes) {
    if (asking) return false;
    const before = turn.answer && { alone: undefined, ...turn };
    Object.assign(turn, changes, { answer: undefined, error: undefined, judged: {} });
    if ("scope" in changes) scope.choose({});
    redraw(nodeOf(turn), turn, acts);
    return settle(turn, before, () => acts.again(turn, changes));
  },
  stop,
  async judge(turn, passage, helpful) {
    const mine = conversation;  // another one may be shown by the time that it is kept
    const key = passage?.id ?? "", before = turn.judged[key], given = judgement(turn, passage, helpful);
    try {
      if (before) await api.takeBack(before.id).catch((error) => { if (error.status !== 404) throw error; });
      delete turn.judged[key];
      if (before?.helpful !== helpful) turn.judged[key] = { helpful, id: (await api.judge(given)).id };
      announce(turn.judged[key] ? "Thank you, kept." : "Taken back.");
    } catch (error) {
      toast(words(error));
    }
    if (nodeOf(turn)) press(nodeOf(turn), turn);
    if (turn.answer) store.keepTurn(kept(turn), mine);
  },
};

function judgement(turn, passage, helpful) {
  const history = historyOf(turns.slice(0, turns.indexOf(turn)));
  const together = turn.answer.effective_question !== turn.question;
  const { document_id, start, end, quote } = passage?.citation ?? {};
  return { question: turn.question, history: together ? history : [], helpful, passage: passage ? { document_id, start, end, quote } : null };
}

/** Wait for the answer to a turn and show it. The turn is kept before, as not answered: it outlives another chat and a reload.
 *  The answer that it had `before` stays until there is another one. */
async function settle(turn, before, again) {
  const node = nodeOf(turn), own = (asking = { turn, closing: new AbortController() }), started = Date.now();
  const ticking = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    if (seconds >= SLOW) wait(node, seconds, acts);
  }, 500);
  $("#ask").setAttribute("aria-busy", "true");
  $("#welcome").hidden = true;
  look(node);
  if (!before) save(turn);
  try {
    await hooks.before();
    turn.mode = settings.get().mode;
    const answer = await api.ask(request(turn), own.closing.signal);
    turn.lacking = answer.retrieval === "bm25" && turn.mode !== "bm25" ? await status.lacking() : undefined;
    turn.answer = answer;
  } catch (error) {
    turn.error = own.closing.signal.aborted ? { message: "Stopped.", status: -1 } : error;
  }
  clearInterval(ticking);
  if (asking !== own) return;  // another conversation is shown by now
  asking = null;
  $("#ask").removeAttribute("aria-busy");
  const { error } = turn;
  if (error && before) Object.assign(turn, before, { error: undefined });
  redraw(node, turn, acts);
  look(node);
  if (error && before) toast(`Not asked again: ${words(error)}`, "Try again", again, 20);
  else announce(spoken(turn));
  if (!error) {
    hooks.answered(turn.question);
    save(turn);
  }
  hooks.after();
}

function save(turn) {
  conversation.changed = Date.now();
  if (gone) store.restore({ conversation, turns: turns.map(kept) });
  else store.keepTurn(kept(turn), conversation);
  gone = false;
}

function request({ id, question, alone, scope: chosen }) {
  const before = turns.slice(0, turns.findIndex((turn) => turn.id === id));
  const { top_k, mode } = settings.get();
  return { question, top_k, mode, history: alone ? [] : historyOf(before), ...(chosen && scope.asRequest(chosen)) };
}

const kept = ({ error, ...turn }) => turn;

/** A conversation to put the first question into; the address that asked stays, any other becomes that of the chat. */
function begin(question) {
  if (conversation) return;
  conversation = { id: unique(), title: question.replace(/\s+/g, " ").slice(0, 80), created: Date.now(), changed: Date.now(), scope: scope.current() };
  route.keep({ conversation: conversation.id });
  title();
}

function stop() {
  asking?.closing.abort();
}

function draw() {
  asking = null;
  $("#ask").removeAttribute("aria-busy");
  $("#turns").replaceChildren(...turns.map((turn) => turnNode(turn, acts)));
  $("#welcome").hidden = turns.length > 0;
  title();
  const last = $("#turns").lastElementChild;
  if (last) last.scrollIntoView({ block: "start" });
  else $("#chat").scrollTop = 0;
}

/** Name the window after the chat, or after what is opened `beside` it. */
export function title(beside = $("#document:not([hidden]) > .head > h2")?.textContent) {
  $("#title").textContent = conversation?.title ?? "Chapter & Verse";
  document.title = [beside || conversation?.title, "Chapter & Verse"].filter(Boolean).join(" · ");
}

const nodeOf = (turn) => document.getElementById(`turn-${turn.id}`);

const look = (node) => node.scrollIntoView({ block: "start", behavior: still() ? "auto" : "smooth" });

const unique = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
