// Speaks HTTP with the service, and nothing else. Paths of documents are those that the service gave: `/documents/ID`.

const GONE = "The service does not answer.";
const STRANGE = "The service's reply is not one that this page understands.";
const PATIENCE = 10_000;  // milliseconds; a service that is there tells sooner how it is
const RETRY = 3_000;  // milliseconds until a stream is opened again that was refused while nobody was signed in
let missed = () => {};

/** `act` is called when a request finds no service; not for `health`, whose caller knows. */
export const whenMissed = (act) => (missed = act);

/** What went wrong and what can be done. `status`: of the reply, 0 where the service was not there, -1 for anything else. */
export class ServiceError extends Error {
  constructor(message, hint = "", status = 0) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** The answer to a question. `request` is what /ask takes: question, history, top_k, mode, document_ids, … */
export async function ask(request, signal) {
  const answer = await json("/ask", { ...sending("POST", request), signal });
  const fits = Array.isArray(answer.passages) && typeof answer.confidence === "number" && typeof answer.answerable === "boolean"
    && typeof answer.effective_question === "string" && Number.isFinite(answer.took_ms)
    && answer.passages.every((one) => one.id && typeof one.text === "string" && Array.isArray(one.highlights) && one.scores
      && one.citation?.url && Number.isInteger(one.citation.start));
  if (!fits) throw strange();
  return answer;
}

export async function health() {
  const state = await json("/health", { signal: AbortSignal.timeout(PATIENCE) });
  if (!state.version || !state.model || !Number.isInteger(state.documents)) throw strange();
  return state;
}

/** `{total, documents}`; `query`: q, collections, tags, types, order, limit, offset, each a value or a list of them. */
export const documents = (query = {}) => json(`/documents?${parameters(query)}`);

/** The collections, tags and types that there are, with their numbers of documents. */
export const labels = () => json("/labels");

/** Whether something is there; throws why it is not. */
export const reach = async (path) => (await request(path)).ok;

export const about = (path, signal) => json(path, { signal });

/** Where the pages of a document begin and end in its text; empty for formats without pages. */
export const pages = (path, signal) => json(`${path}/pages`, { signal });

/** Where part of a text stands on the picture of a page, at the address of its place: `{left, top, right, bottom}` in shares. */
export const markOn = (path, { start, end }) => json(`${path}?${parameters({ start, end })}`);

/** Part of a document's text by code points: `{text, characters, sha256}`, `characters` being those of the whole. */
export async function text(path, start, end, signal) {
  const reply = await request(`${path}/text?${parameters({ start, end })}`, { signal });
  return {
    text: exact(await reply.arrayBuffer().catch(broken(path))),
    characters: Number(reply.headers.get("X-Document-Characters")),
    sha256: reply.headers.get("X-Document-SHA256"),
  };
}

/** Where words stand in a document: `{total, matches: [{start, end}]}`. */
export const matches = (path, q, signal) => json(`${path}/matches?${parameters({ q, limit: 10_000 })}`, { signal });

/** Remove a document; `keepalive` also when the page is being left. */
export const remove = (path, keepalive = false) => json(path, { method: "DELETE", keepalive });

/** Put a document into a collection, or give it tags: `{collection, tags}`. */
export const label = (path, given) => json(path, sending("PATCH", given));

/** Say that a passage helps or not: `{question, history, helpful, passage: {document_id, start, end}}`. */
export const judge = (given) => json("/feedback", sending("POST", given));

export const takeBack = (id) => json(`/feedback/${encodeURIComponent(id)}`, { method: "DELETE" });

/** How many judgements the service keeps. */
export const judgements = async () => (await json("/feedback?limit=1")).total;

export const signOut = () => request("/sign-out", { method: "POST" });

/** Send files, `{file, name}`; `progress` is called with the share that is sent. The job that takes them in. */
export function upload(files, progress, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const { file, name } of files) form.append("files", file, name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/documents");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("error", () => reject(absent("/documents")));
    request.addEventListener("load", () => {
      if (isAway(request.status, request.response)) return reject(absent("/documents"));
      if (request.status === 401) return reject(signedOut("/documents"));
      const error = request.response?.error ?? { message: `The service failed (${request.status}).` };
      if (request.status >= 300) reject(new ServiceError(error.message, error.hint, request.status));
      else if (request.response?.files?.length === files.length) resolve(request.response);
      else reject(strange());
    });
    request.send(form);
  });
}

/** Call `changed` with a job each time that it has changed, until it is done, and `lost` while the service is away:
 *  it goes on by itself when that is back. */
export function follow(job, changed, lost) {
  return new Promise((resolve, reject) => {
    const take = (event) => changed(JSON.parse(event.data));
    const listen = () => {
      const events = new EventSource(job.events_url);
      events.addEventListener("progress", take);
      events.addEventListener("done", (event) => {
        events.close();
        take(event);
        resolve();
      });
      events.addEventListener("error", async () => {
        const refused = events.readyState === EventSource.CLOSED;
        if (refused && (await reach(job.url).catch((error) => error)).status !== 0) return reject(new ServiceError("The service does not tell what became of it.", "Try again: nothing is stored twice."));
        missed();
        lost();
        if (refused) setTimeout(listen, RETRY);
      });
    };
    listen();
  });
}

/** Every character of a text, also a byte order mark at its start: offsets count it. */
const exact = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

const sending = (method, body) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

function parameters(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(given.flatMap(([name, value]) => [value].flat().map((one) => [name, one])));
}

const strange = () => new ServiceError(STRANGE, "It may be of another version: reload the page.", -1);

function absent(path) {
  if (path !== "/health") missed();
  return new ServiceError(GONE, "Is it still running? Start it with: make serve");
}

/** As good as absent until somebody has signed in: what was asked for is asked again then. */
function signedOut(path) {
  if (path !== "/health") missed();
  return Object.assign(new ServiceError("You are signed out."), { signedOut: true });
}

/** A reply of what stands before the service, which is not there itself. */
const isAway = (status, reply) => [502, 503, 504].includes(status) && !reply?.error?.message;

/** What is thrown where there is no reply, or none that is complete. */
const broken = (path) => (error) => {
  throw error.name === "AbortError" ? error : absent(path);
};

async function json(path, options) {
  const reply = await request(path, options);
  const value = await parsed(reply, path);
  if (value === null || typeof value !== "object") throw strange();
  return value;
}

/** Null where a reply is no JSON. */
const parsed = (reply, path) => reply.json().catch((error) => (error instanceof SyntaxError ? null : broken(path)(error)));

async function request(path, options = {}) {
  const reply = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } }).catch(broken(path));
  if (reply.ok) return reply;
  const said = await parsed(reply, path), error = said?.error;
  if (isAway(reply.status, said)) throw absent(path);
  if (reply.status === 401) throw signedOut(path);
  if (error?.message) throw new ServiceError(error.message, error.hint, reply.status);
  throw new ServiceError(`The service failed (${reply.status}).`, "Its log tells why.", reply.status);
}
