// The chat: builds the page from what the service answers, with textContent only.

import * as api from "./api.js";
import { cut, place, quotation } from "./text.js";
import { acceptDrops } from "./uploads.js";

const SAMPLES = [
  "Who would monitor the ceasefire?",
  "How large an army could Ukraine keep?",
  "What might the occupied areas become?",
  "What is the capital of Australia?",
];

const $ = (selector, within = document) => within.querySelector(selector);
const form = $("#ask"), field = $("#question"), turns = $("#turns");
const asked = [];
const history = []; // what was asked and what was shown, as /ask takes it
let recalled = 0;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(field.value.trim());
});

field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "ArrowUp" && asked.length && [...asked, ""].includes(field.value)) {
    event.preventDefault();
    recalled = Math.max(0, recalled - 1);
    fill(asked[recalled]);
  }
});
field.addEventListener("input", fit);

async function send(question) {
  if (!question || form.getAttribute("aria-busy") === "true") return;
  const turn = begin(question);
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await api.ask(question, history.slice(-20));
    asked.push(question);
    history.push({ question, passages: answer.passages.map((passage) => passage.id) });
    recalled = asked.length;
    show(turn, answer);
    if (field.value.trim() === question) fill("");
  } catch (error) {
    fail(turn, error);
  } finally {
    form.removeAttribute("aria-busy");
    field.focus({ preventScroll: true });
  }
  refresh();
}

function begin(question) {
  $("#welcome").hidden = true;
  const turn = $("#turn").content.cloneNode(true).firstElementChild;
  $(".question", turn).textContent = question;
  turns.append(turn);
  turn.scrollIntoView({ block: "start" });
  return turn;
}

function show(turn, answer) {
  const percent = `${Math.round(answer.confidence * 100)} %`;
  const effective = $(".effective", turn);
  effective.hidden = answer.effective_question === answer.question;
  effective.textContent = `Asked together with what came before: ${answer.effective_question}`;
  turn.classList.toggle("unanswered", !answer.answerable);
  $(".verdict", turn).textContent = answer.answerable
    ? `${certainty(answer.confidence)}, ${percent} · ${answer.took_ms.toFixed(0)} ms`
    : `Not in these documents, as far as this search can tell (${percent} confident of an answer).`;
  const nearest = $(".nearest", turn);
  nearest.hidden = answer.answerable || answer.passages.length === 0;
  const list = answer.answerable ? $(".passages", turn) : $(".passages", nearest);
  list.append(...answer.passages.map(card));
  turn.scrollIntoView({ block: "start" });
}

function certainty(confidence) {
  if (confidence >= 0.85) return "Very likely answered below";
  return confidence >= 0.6 ? "Probably answered below" : "Perhaps answered below";
}

function card(passage) {
  const item = $("#passage").content.cloneNode(true).firstElementChild;
  const { citation } = passage;
  const mark = passage.highlights[0];
  const address = mark ? `${citation.url}&mark=${mark.start},${mark.end}` : citation.url;
  $(".rank", item).textContent = passage.rank;
  $("cite", item).textContent = citation.title;
  $(".place", item).textContent = place(citation);
  $(".citation", item).href = address;
  $(".heading", item).hidden = !citation.heading;
  $(".heading", item).textContent = citation.heading;
  $("blockquote", item).append(...marked(passage));
  $(".why", item).textContent = reasons(passage.scores);
  $(".copy", item).setAttribute("aria-label", `Copy passage ${passage.rank} with its citation`);
  $(".copy", item).addEventListener("click", (event) => copy(event.target, citation, new URL(address, location)));
  return item;
}

/** The passage's text as nodes, its highlights in <mark>. */
function marked(passage) {
  const from = passage.citation.start;
  const edges = passage.highlights.flatMap(({ start, end }) => [start - from, end - from]);
  return cut(passage.text, edges).map((part, n) => {
    if (n % 2 === 0) return document.createTextNode(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });
}

function reasons({ bm25_rank, dense_rank }) {
  const found = [];
  if (bm25_rank) found.push(`by its words (no. ${bm25_rank})`);
  if (dense_rank) found.push(`by its meaning (no. ${dense_rank})`);
  return `Found ${found.join(" and ")}`;
}

async function copy(button, citation, address) {
  try {
    await navigator.clipboard.writeText(quotation(citation, address));
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function fail(turn, error) {
  turn.classList.add("failed");
  $(".verdict", turn).textContent = [error.message, error.hint].filter(Boolean).join(" ");
}

function fill(text) {
  field.value = text;
  fit();
}

function fit() {
  field.rows = Math.min(8, Math.max(1, field.value.split("\n").length, Math.ceil(field.value.length / 70)));
}

/** Say what is searched and, while the model is away, that keywords alone are; ask again until it is there. */
async function refresh() {
  const notice = $("#notice");
  try {
    const state = await api.health();
    notice.hidden = state.retrieval === "hybrid";
    notice.textContent = `Keyword search only: ${state.reason}.`.replace("..", ".");
    const count = state.documents === 1 ? "1 document" : `${state.documents} documents`;
    $("#library").textContent = `${count}, ${state.passages} passages`;
    if (state.model.state === "loading") setTimeout(refresh, 1000);
  } catch (error) {
    notice.hidden = false;
    notice.textContent = `${error.message} ${error.hint}`;
  }
}

function sample(question) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = question;
  button.addEventListener("click", () => send(question));
  item.append(button);
  return item;
}

/** Questions to try, as long as the documents that they are about are there. */
async function offerSamples() {
  const { documents } = await api.documents().catch(() => ({ documents: [] }));
  if (documents.some(({ source }) => source.startsWith("seeds/"))) $("#samples").append(...SAMPLES.map(sample));
}

acceptDrops($("#uploads"), refresh);
offerSamples();
refresh();
