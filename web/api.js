// Speaks HTTP with the service, and nothing else.

export class ServiceError extends Error {
  constructor(message, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** The answer to a question; `history` holds the questions asked before it and the passages shown, oldest first. */
export function ask(question, history) {
  return request("/ask", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ question, history }) });
}

export const health = () => request("/health");

export const documents = () => request("/documents?limit=1000");

export const remove = (path) => request(path, { method: "DELETE" });

/** What is known about a document, its whole text, and which part of that stands on which page. */
export async function source(path) {
  const [about, text, pages] = await Promise.all(
    [request(path), request(`${path}/text`, {}, "text"), request(`${path}/pages`)]);
  return { about, text, pages };
}

/** Send files; `progress` is called with the share that is sent. The job that takes them in. */
export function upload(files, progress) {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", "/documents");
    sending.responseType = "json";
    sending.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    sending.addEventListener("error", () => reject(new ServiceError("The service does not answer.", "Is it still running?")));
    sending.addEventListener("load", () => {
      const error = sending.response?.error ?? { message: `The service failed (${sending.status}).` };
      if (sending.status < 300) resolve(sending.response);
      else reject(new ServiceError(error.message, error.hint));
    });
    sending.send(form);
  });
}

/** Call `changed` with a job each time that it has changed, until it is done. Goes on by itself after a restart. */
export function follow(job, changed) {
  return new Promise((resolve) => {
    const events = new EventSource(job.events_url);
    const take = (event) => changed(JSON.parse(event.data));
    events.addEventListener("progress", take);
    events.addEventListener("done", (event) => {
      events.close();
      take(event);
      resolve();
    });
  });
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
