// One question and its answer on the page.

import { $, all, announce, button, copyBy, copyOf, make, tell, words } from "./dom.js";
import { describe, isAll } from "./scope.js";
import { addressOf, certainty, cut, duration, markdown, percent, place, quotation, reasons, shortened } from "./text.js";

/** The node of a turn, drawn as far as the turn is. `acts`: again(turn, changes), judge(turn, passage, helpful), stop(). */
export function turnNode(turn, acts) {
  const node = copyOf("turn");
  node.id = `turn-${turn.id}`;
  $(".question", node).textContent = turn.question;
  redraw(node, turn, acts);
  return node;
}

/** Draw it again, after the answer came, failed or was judged. */
export function redraw(node, turn, acts) {
  const focused = node.contains(document.activeElement);
  node.classList.toggle("unanswered", turn.answer?.answerable === false);
  node.classList.toggle("failed", Boolean(turn.error));
  all(".passages, .actions, .effective, .verdict", node).forEach((one) => one.replaceChildren());
  $(".effective", node).hidden = $(".nearest", node).hidden = true;
  if (turn.error) fail(node, turn, acts);
  else if (turn.answer) answer(node, turn, acts);
  else $(".verdict", node).append("Searching…");
  if (focused && !node.contains(document.activeElement)) $(".question", node).focus({ preventScroll: true });
}

/** Say how long it has been searched already, and let it be stopped. */
export function wait(node, seconds, acts) {
  const line = $(".verdict", node);
  if (!$("button", line)) line.replaceChildren(make("span"), " ", button("Stop", acts.stop));
  $("span", line).textContent = `Still searching, ${seconds} s.`;
}

/** What those who listen to the page are told of an answer, or of why there is none. */
export function spoken({ answer, error }) {
  if (!answer) return error.status ? words(error) : "Not answered.";  // why the service does not answer is said above the chat
  const [first] = answer.passages;
  if (!answer.answerable || !first) return `Not in these documents. ${answer.passages.length} nearest passages, folded.`;
  const telling = first.highlights[0]?.text ?? first.text;
  return `${certainty(answer.confidence)}, ${percent(answer.confidence)}. ${first.citation.title}, ${place(first.citation)}: ${telling}`;
}

function answer(node, turn, acts) {
  const { answer: given } = turn;
  effective(node, turn, acts);
  verdict(node, turn);
  const nearest = $(".nearest", node), list = given.answerable ? $(".passages", node) : $(".passages", nearest);
  nearest.hidden = given.answerable || !given.passages.length;
  list.append(...given.passages.map((passage, n) => (n ? other : best)(passage, turn, acts)));
  actions(node, turn, acts);
}

function effective(node, turn, acts) {
  const line = $(".effective", node), together = turn.answer.effective_question !== turn.question;
  line.hidden = !together && !turn.alone;
  if (together) {
    line.append("Asked together with what came before: ", quoted(turn.answer.effective_question), " ",
      button("Ask it by itself", () => acts.again(turn, { alone: true })));
  } else if (turn.alone) line.append("Asked by itself.");
}

const quoted = (text) => Object.assign(make("q", "", text), { dir: "auto" });

function verdict(node, { answer: given, scope, mode, lacking }) {
  const told = given.answerable
    ? [make("strong", "", certainty(given.confidence)), ` ${percent(given.confidence)}`]
    : [make("strong", "", "Not in these documents"), ", as far as this search can tell"];
  const notes = [
    !given.answerable && `${percent(given.confidence)} that they answer`,
    duration(given.took_ms),
    scope && !isAll(scope) && `asked of ${describe(scope)} only`,
    given.calibrated === false && "not calibrated for this model",
    given.degraded && `passages may be missing: ${given.degraded}`,
    given.reranking?.failed && `not reranked: ${given.reranking.failed}`,
    given.retrieval === "bm25" && mode !== "bm25" && `keyword search only${lacking ? `: ${lacking}` : ""}`,
  ].filter(Boolean);
  $(".verdict", node).append(...told, make("span", "quiet small", ` · ${notes.join(" · ")}`));
}

function best(passage, turn, acts) {
  const item = make("li", "passage best");
  item.append(body(passage, turn, acts));
  item.dataset.address = addressOf(passage);
  return item;
}

/** Documents of one answer that have the same title are told apart by their files, or else by their ids. */
function titled({ title, source, document_id: id }, { passages }) {
  const shared = passages.some(({ citation: other }) => other.title === title && other.document_id !== id);
  return shared ? `${title} (${shortened(source && source !== title ? source : id, 60)})` : title;
}

/** Folded: where it stands and how its telling sentence begins; the rest is made when it is unfolded. */
function other(passage, turn, acts) {
  const item = copyOf("other"), { citation } = passage;
  $(".rank", item).textContent = passage.rank;
  $("cite", item).textContent = titled(citation, turn.answer);
  $(".place", item).textContent = place(citation);
  $(".glimpse", item).textContent = passage.highlights[0]?.text ?? passage.text;
  item.dataset.address = addressOf(passage);
  const folded = $("details", item);
  folded.addEventListener("toggle", () => folded.append(body(passage, turn, acts)), { once: true });
  return item;
}

function body(passage, turn, acts) {
  const node = copyOf("passage"), { citation } = passage;
  $("cite", node).textContent = titled(citation, turn.answer);
  $(".place", node).textContent = place(citation);
  $(".citation", node).href = addressOf(passage);
  tell($(".heading", node), citation.heading);
  $("blockquote", node).append(...marked(passage));
  $(".why", node).textContent = reasons(passage.scores);
  copying(node, passage);
  thumb($(".helpful", node), passage, turn, true, acts);
  thumb($(".unhelpful", node), passage, turn, false, acts);
  return node;
}

/** What is selected in the passage is copied alone; else the passage, or its mark. */
function copying(node, passage) {
  const { citation, highlights: [mark] } = passage, from = citation.start;
  const chosen = () => {
    const some = selected($("blockquote", node));
    return some ? { citation: excerpt(citation, some.start, some.end), highlights: [] } : passage;
  };
  const telling = () => ({ citation: excerpt(citation, mark.start - from, mark.end - from), highlights: [] });
  const ways = [["copy", quotation, chosen, `passage ${passage.rank}`, "with its citation"],
    ["sentence", quotation, telling, `the mark of passage ${passage.rank}`, "with its citation"],
    ["markdown", markdown, chosen, `passage ${passage.rank}`, "as Markdown"]];
  for (const [name, form, what, called, how] of ways) {
    const pressed = $(`.${name}`, node);
    pressed.setAttribute("aria-label", `${pressed.textContent}: ${called} ${how}`);
    pressed.title = what === chosen ? `Copy ${how}; of what is selected, that alone` : `Copy what is marked, ${how}`;
    pressed.addEventListener("click", () => {
      const one = what(), said = what === chosen && one !== passage ? "Selection copied" : "Copied";
      copyBy(pressed, form(one.citation, new URL(addressOf(one), location)), said);
    });
  }
  $(".sentence", node).hidden = !mark || mark.text === passage.text;
}

/** The part of a text that is selected, in code points, without white space around it; null where nothing is. */
function selected(quote) {
  const selection = getSelection(), range = selection.rangeCount && selection.getRangeAt(0).cloneRange();
  if (!range || !range.intersectsNode(quote)) return null;
  const whole = document.createRange(), before = document.createRange();
  for (const one of [whole, before]) one.selectNodeContents(quote);
  if (range.compareBoundaryPoints(Range.START_TO_START, whole) < 0) range.setStart(quote, 0);
  if (range.compareBoundaryPoints(Range.END_TO_END, whole) > 0) range.setEnd(quote, quote.childNodes.length);
  before.setEnd(range.startContainer, range.startOffset);
  const text = String(range), start = length(before) + length(text) - length(text.trimStart());
  return text.trim() ? { start, end: start + length(text.trim()) } : null;
}

const length = (text) => [...String(text)].length;

/** The citation of a part of what is cited, from `start` to `end` of the quote. */
function excerpt(citation, start, end) {
  const [before, quote] = cut(citation.quote, [start, end]), lines = (text) => text.split("\n").length - 1;
  const line = citation.line_start + lines(before), at = { start: citation.start + start, end: citation.start + end };
  const url = `${citation.url.split("#")[0]}#char=${at.start},${at.end}`;
  return { ...citation, ...at, quote, url, line_start: line, line_end: line + lines(quote) };
}

function thumb(pressed, passage, turn, helpful, acts) {
  const name = `Passage ${passage.rank} ${helpful ? "answers" : "does not answer"} the question`;
  pressed.setAttribute("aria-label", name);
  pressed.title = helpful ? "This answers" : "This does not answer";
  pressed.dataset.passage = passage.id;
  pressed.setAttribute("aria-pressed", turn.judged[passage.id]?.helpful === helpful);
  pressed.addEventListener("click", () => acts.judge(turn, passage, helpful));
}

/** Press the thumbs as the turn says. */
export function press(node, { judged }) {
  for (const thumb of all("[data-passage]", node)) {
    thumb.setAttribute("aria-pressed", judged[thumb.dataset.passage]?.helpful === thumb.classList.contains("helpful"));
  }
  $(".right", node)?.setAttribute("aria-pressed", Boolean(judged[""]));
}

/** The passage's text as nodes, its highlights in <mark>. */
function marked(passage) {
  const from = passage.citation.start;
  const edges = passage.highlights.flatMap(({ start, end }) => [start - from, end - from]);
  return cut(passage.text, edges).map((part, n) => (n % 2 ? make("mark", "", part) : part));
}

function actions(node, turn, acts) {
  const folded = all(".passages details", node);
  if (turn.answer.answerable && folded.length > 1) {
    const some = () => folded.some((one) => !one.open);
    const unfold = button("Show all in full", () => {
      const open = some();
      folded.forEach((one) => (one.open = open));
    });
    const name = () => (unfold.textContent = some() ? "Show all in full" : "Fold the others");
    folded.forEach((one) => one.addEventListener("toggle", name));
    $(".actions", node).append(unfold);
  }
  const link = button("Copy link", () => copyBy(link, new URL(`/?q=${encodeURIComponent(turn.question)}`, location)));
  link.title = "An address that asks this question";
  $(".actions", node).append(link);
  if (!turn.answer.answerable) $(".actions", node).append(nothing(turn, acts));
}

/** "Right, it is not there" is worth knowing too. */
function nothing(turn, acts) {
  const right = button("Right, it is not there", () => acts.judge(turn, null, false));
  right.className = "right";
  right.setAttribute("aria-pressed", Boolean(turn.judged[""]));
  return right;
}

function fail(node, turn, acts) {
  const { error } = turn;
  $(".verdict", node).append(words(error));
  const again = [button("Ask again", () => acts.again(turn, {}))];
  if (error.status === 404 && turn.scope && !isAll(turn.scope)) again.push(button("Ask all documents", () => acts.again(turn, { scope: null })));
  $(".actions", node).append(...again);
}
