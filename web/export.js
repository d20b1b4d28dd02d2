// A conversation as a file: every question, and every passage with its citation.

import { describe, isAll } from "./scope.js";
import { addressOf, certainty, markdown, percent, plain } from "./text.js";

/** As Markdown; `site` is put before the addresses of citations. */
export function toMarkdown({ title, created }, turns, site) {
  const parts = turns.map(({ question, answer, scope }) => {
    const only = scope && !isAll(scope) ? `\nAsked of ${plain(describe(scope))} only.\n` : "";
    const asked = only + (answer.effective_question === question ? "" : `\nAsked as: ${plain(answer.effective_question)}\n`);
    const verdict = answer.answerable
      ? `${certainty(answer.confidence)} (${percent(answer.confidence)}).`
      : `Not in these documents (${percent(answer.confidence)}). The nearest passages:`;
    const passages = answer.passages.map((passage) => markdown(passage.citation, new URL(addressOf(passage), site)));
    return [`## ${plain(question.replace(/\s+/g, " "))}\n${asked}\n${verdict}`, ...passages].join("\n\n");
  });
  return `${[`# ${plain(title)}`, `Chapter & Verse, ${new Date(created).toISOString().slice(0, 10)}`, ...parts].join("\n\n")}\n`;
}

/** As JSON: the service's answers as they came. */
export function toJSON({ title, created }, turns) {
  const kept = turns.map(({ question, at, alone = false, mode, scope, answer }) =>
    ({ question, asked_at: new Date(at).toISOString(), by_itself: alone, mode, asked_of: scope, answer }));
  return `${JSON.stringify({ title, created_at: new Date(created).toISOString(), turns: kept }, null, 2)}\n`;
}

/** A name for the file, that every system takes. */
export function fileName(title, ending) {
  const name = title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-|-$/g, "");
  return `${name || "chat"}.${ending}`;
}
