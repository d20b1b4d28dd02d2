// The field for the question: grows, recalls, and keeps what is typed until it is answered.

import { $, button, tell, toast } from "./dom.js";
import { describe, isAll } from "./scope.js";

const MOST = 2000, PASTED = 20_000, TALL = 12;  // characters that the service takes, that are pasted; lines until it scrolls
const field = $("#question"), form = $("#ask");
let recalled = null;  // how many questions back
let asked = () => [], send = () => {}, store = () => {};

/** `questions()` gives those asked so far, `ask(question)` asks one and is false while it cannot, `add(text)` puts a text into the library. */
export function setup(questions, ask, add) {
  [asked, send, store] = [questions, ask, add];
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  field.addEventListener("keydown", key);
  field.addEventListener("paste", paste);
  field.addEventListener("input", () => { recalled = null; changed(); });
  fill(field.value || draft());
}

export const focus = () => field.focus({ preventScroll: true });

/** Whether one is about to type, and has not. */
export const idle = () => document.activeElement === field && !field.value;

export const fits = (text) => text.length <= 2 * MOST && [...text.trim()].length <= MOST;

/** A question that does not fit, to be shortened. What is being typed is not overwritten unasked. */
export function offer(text) {
  if (!field.value || field.value === text) return fill(text);
  const line = $("#too-long"), count = [...text].length.toLocaleString("en");
  tell(line, `The question of this address has ${count} characters, at most ${MOST.toLocaleString("en")} can be asked. `);
  line.append(button("Put it into the field", () => { fill(text); focus(); }));
}

/** A question was answered: it need not be kept any longer. */
export function answered(question) {
  if (field.value.trim() === question) fill("");
}

function fill(text) {
  field.value = text;
  changed();
}

/** Say which documents are asked, with a way back to all of them. */
export function showScope(chosen, all) {
  const line = $("#scope");
  tell(line, isAll(chosen) ? "" : `Asking only ${describe(chosen)}`);
  if (!line.hidden) line.append(" ", all);
}

function submit() {
  const question = field.value.trim();
  if (!question || tooLong()) return;
  if (send(question) === false) return toast("The question before is still being searched. Wait for it, or stop it.");
  recalled = null;
  if (matchMedia("(pointer: coarse)").matches) field.blur();  // else the keyboard hides the answer
}

function key(event) {
  if (event.isComposing || event.keyCode === 229) return;  // Safari says it by the code alone
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "ArrowUp" || event.key === "ArrowDown") recall(event);
}

/** Up: an earlier question; down: a later one, and in the end the empty field. Typed text is left alone. */
function recall(event) {
  const questions = [...new Set(asked().reverse())];
  const back = (recalled ?? -1) + (event.key === "ArrowUp" ? 1 : -1);
  if ((recalled === null && field.value) || back < -1 || back >= questions.length) return;
  event.preventDefault();
  fill(questions[back] ?? "");
  recalled = back < 0 ? null : back;
}

/** A whole document would only slow the field down: it belongs into the library. */
function paste(event) {
  const text = event.clipboardData.getData("text/plain");
  if (text.length < PASTED) return;
  event.preventDefault();
  const line = $("#too-long");
  tell(line, `What you pasted has ${text.length.toLocaleString("en")} characters, too many for a question. `);
  line.append(button("Add it to the library", () => { tell(line, ""); store(text); }));
}

const tooLong = () => !fits(field.value);

function changed() {
  const over = tooLong();
  field.setAttribute("aria-invalid", over);
  tell($("#too-long"), over ? `That is ${field.value.length.toLocaleString("en")} characters. A question has at most ${MOST.toLocaleString("en")}: shorten it.` : "");
  field.rows = field.value.length > MOST ? TALL : Math.min(TALL, lines());
  try {
    sessionStorage.setItem("draft", field.value.slice(0, 100_000));
  } catch {
    // it stays in the field
  }
}

function lines() {
  field.rows = 1;
  return Math.max(1, Math.floor((field.scrollHeight - 20) / parseFloat(getComputedStyle(field).lineHeight)));
}

function draft() {
  try {
    return sessionStorage.getItem("draft") ?? "";
  } catch {
    return "";
  }
}
