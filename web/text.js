// Pure functions about texts and places in them. The service counts code points, JavaScript counts UTF-16 units.

/** Cut a text at code point offsets, ascending; returns one part more than there are offsets. */
export function cut(text, offsets) {
  const parts = [];
  let unit = 0, point = 0, from = 0;
  for (const offset of offsets) {
    for (; point < offset && unit < text.length; point++) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
    parts.push(text.slice(from, unit));
    from = unit;
  }
  parts.push(text.slice(from));
  return parts;
}

/** The places in a citation's address: "#char=380,910&mark=412,455". */
export function places(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return { passage: span(fields.get("char")), mark: span(fields.get("mark")) };
}

function span(field) {
  const found = /^(\d+),(\d+)$/.exec(field ?? "");
  if (!found) return null;
  const [start, end] = [Number(found[1]), Number(found[2])];
  return start < end ? { start, end } : null;
}

/** "page 3", or without pages "lines 12–19" */
export function place(citation) {
  const range = (name, from, to) => (from === to ? `${name} ${from}` : `${name}s ${from}–${to}`);
  const lines = range("line", citation.line_start, citation.line_end);
  return citation.page_start === null ? lines : range("page", citation.page_start, citation.page_end);
}

/** A name that is longer than `most` characters without its middle, so that its beginning and its end are seen. */
export function shortened(name, most = 120) {
  const letters = [...name], end = Math.floor(most / 3);
  return letters.length > most ? `${letters.slice(0, most - end - 1).join("")}…${letters.slice(-end).join("")}` : name;
}

const OFFICE = "application/vnd.openxmlformats-officedocument";
const TYPES = [
  ["pdf", "PDF", "application/pdf"], ["docx", "Word", `${OFFICE}.wordprocessingml.document`],
  ["pptx", "PowerPoint", `${OFFICE}.presentationml.presentation`], ["xlsx", "Excel", `${OFFICE}.spreadsheetml.sheet`],
  ["odt", "OpenDocument", "application/vnd.oasis.opendocument.text"], ["epub", "EPUB", "application/epub+zip"],
  ["eml", "mail", "message/rfc822"], ["html", "web page", "text/html"], ["csv", "CSV", "text/csv"],
  ["json", "JSON", "application/json"], ["jsonl", "JSON Lines", "application/jsonl"], ["md", "Markdown", "text/markdown"],
  ["txt", "text", "text/plain"],
];

/** A type in words, from its short name or its media type. */
export const typeName = (given) => TYPES.find(([short, , media]) => given === short || given === media)?.[1] ?? given;

/** "PDF · 28 pages · 90,000 characters · 200 passages · 12 tables" */
export function facts({ media_type, pages, characters, passages, tables }) {
  const many = (count, name) => count && `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
  return [typeName(media_type), many(pages, "page"), many(characters, "character"), many(passages, "passage"),
    many(tables, "table")].filter(Boolean).join(" · ");
}

/** What a person should know about how a file was read. */
export function notes({ warnings, pages_by_ocr, pages_without_text }) {
  const told = [...warnings];
  const list = (name, pages) => `${name}: ${pages.slice(0, 10).join(", ")}${pages.length > 10 ? ", …" : ""}`;
  if (pages_by_ocr.length) told.unshift(list("Read by OCR, pages", pages_by_ocr));
  if (pages_without_text.length) told.unshift(list("Without text, pages", pages_without_text));
  return told.join(" · ");
}

/** "Title (file), page 3" */
function origin(citation) {
  const source = citation.source && citation.source !== citation.title ? ` (${citation.source})` : "";
  return `${citation.title}${source}, ${place(citation)}`;
}

/** A quotation with its citation, to be pasted elsewhere. */
export const quotation = (citation, address) => `“${citation.quote}”\n— ${origin(citation)}\n${address}`;

/** The same in Markdown, where nothing of the quotation is taken for markup. */
export function markdown(citation, address) {
  const quoted = citation.quote.split("\n").map((line) => `> ${plain(line)}`).join("\n");
  return `${quoted}\n>\n> — [${plain(origin(citation))}](<${address}>)`;
}

/** A line of text in Markdown that shows as it is, addresses and formulas too. */
export const plain = (line) =>
  line.replace(/[\\`*_{}[\]<>#|~&!$@]/g, "\\$&").replace(/:(?=\/\/)|(?<=www)\./gi, "\\$&").replace(/^(\s*)(\d+)([.)])/, "$1$2\\$3")
    .replace(/^(\s*)([-+=])/, "$1\\$2").replace(/^\s/, (space) => `&#${space.codePointAt()};`);

/** The address of a passage, with its telling place. */
export function addressOf({ citation, highlights: [mark] }) {
  return mark ? `${citation.url}&mark=${mark.start},${mark.end}` : citation.url;
}

/** How sure: in words. */
export function certainty(confidence) {
  if (confidence >= 0.85) return "Very likely answered";
  if (confidence >= 0.6) return "Probably answered";
  return confidence >= 0.3 ? "Perhaps answered" : "Perhaps answered, with much doubt";
}

export const percent = (share) => `${Math.round(share * 100)} %`;

/** Why a passage was found. */
export function reasons({ bm25_rank: words, dense_rank: meaning }) {
  if (words && meaning) return `Found by its words (no. ${words}) and its meaning (no. ${meaning})`;
  return words ? `Found by its words (no. ${words})` : `Found by its meaning (no. ${meaning})`;
}

/** "850 ms", "2.4 s" */
export const duration = (milliseconds) => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

/** What a question is sent with: the questions before it and what was shown, from the last one on that was asked by itself. */
export function historyOf(turns) {
  const from = Math.max(0, turns.findLastIndex(({ alone }) => alone));
  return turns.slice(from).filter(({ answer }) => answer).slice(-20)
    .map(({ question, answer }) => ({ question, passages: answer.passages.slice(0, 20).map(({ id }) => id) }));
}
