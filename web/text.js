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

const TYPES = {
  "application/pdf": "PDF", "text/html": "web page", "text/markdown": "Markdown", "text/plain": "text", "text/csv": "CSV",
  "application/json": "JSON", "application/jsonl": "JSON Lines", "message/rfc822": "mail", "application/epub+zip": "EPUB",
  "application/vnd.oasis.opendocument.text": "OpenDocument",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
};

/** "PDF · 28 pages · 90,000 characters · 200 passages · 12 tables" */
export function facts({ media_type, pages, characters, passages, tables }) {
  const many = (count, name) => count && `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
  return [TYPES[media_type] ?? media_type, many(pages, "page"), many(characters, "character"), many(passages, "passage"),
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

/** A quotation with its citation, to be pasted elsewhere. */
export function quotation(citation, address) {
  const source = citation.source && citation.source !== citation.title ? ` (${citation.source})` : "";
  return `“${citation.quote}”\n— ${citation.title}${source}, ${place(citation)}\n${address}`;
}
