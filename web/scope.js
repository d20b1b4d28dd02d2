// Which documents are asked: all of them, or those that are ticked, of some collections, or with some tags.

let chosen = { documents: [], collections: [], tags: [] };  // documents: [{id, title}]
const listeners = new Set();

export const current = () => chosen;

/** Ask only these from now on; `choose({})` asks all again. */
export function choose(next) {
  chosen = { documents: [], collections: [], tags: [], ...next };
  listeners.forEach((listener) => listener(chosen));
}

/** `listener` is called with the choice whenever it changes. */
export const whenChosen = (listener) => listeners.add(listener);

export const isAll = ({ documents, collections, tags } = chosen) => !documents.length && !collections.length && !tags.length;

/** As /ask takes it. */
export const asRequest = ({ documents, collections, tags }) => ({
  ...(documents.length && { document_ids: documents.map(({ id }) => id) }), collections, tags });

/** "the collection papers, the tag law, 12 documents: A, B, …" */
export function describe({ documents, collections, tags }) {
  const count = documents.length === 1 ? "1 document" : `${documents.length} documents`;
  const titles = documents.slice(0, 3).map(({ title }) => title).join(", ");
  return [...collections.map((name) => `the collection ${name}`), ...tags.map((name) => `the tag ${name}`),
    documents.length && `${count}: ${titles}${documents.length > 3 ? ", …" : ""}`].filter(Boolean).join(", ");
}
