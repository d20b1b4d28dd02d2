// Speaks HTTP with the service, and nothing else.

export class ServiceError extends Error {
  constructor(message, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** The answer to a question; `history` holds the questions asked before it, oldest first. */
export function ask(question, history) {
  return request("/ask", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ question, history }) });
}

export const health = () => request("/health");

export const documents = () => request("/documents?limit=1000");

/** What is known about a document, and its whole text. */
export async function source(path) {
  const [about, text] = await Promise.all([request(path), request(`${path}/text`, {}, "text")]);
  return { about, text };
}

/** Every character of a text, also a byte order mark at its start: offsets count it. */
const exact = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

async function request(path, options = {}, kind = "json") {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch {
    throw new ServiceError("The service does not answer.", "Is it still running? Start it with: make serve");
  }
  if (reply.ok) return kind === "json" ? reply.json() : exact(await reply.arrayBuffer());
  const { error } = await reply.json().catch(() => ({ error: { message: `The service failed (${reply.status}).` } }));
  throw new ServiceError(error.message, error.hint);
}
