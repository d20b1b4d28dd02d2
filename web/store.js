// Conversations, kept in this browser (IndexedDB) and nowhere else. What the browser does not keep stays for as long as the page is open.
//   conversation {id, title, created, changed, scope}      turn {id, conversation, at, question, alone, scope, answer, judged}
// A turn without an answer was asked, and not answered or not yet.

const KINDS = ["conversations", "turns"];
const memory = Object.fromEntries(KINDS.map((kind) => [kind, new Map()]));
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("conversations") : null;
const PATIENCE = 3000;  // milliseconds; a browser that is damaged may never open it
let database = null, failed = () => {};

/** Open the store. `unkept(why)` is called when the browser does not keep something, `elsewhere(id)` when another tab changed a conversation. */
export async function open(unkept, elsewhere) {
  failed = unkept;
  channel?.addEventListener("message", ({ data }) => elsewhere(data));
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE, new DOMException("it does not open its storage", "TimeoutError")));
  try {
    database = await Promise.race([opened(), late]);
  } catch (error) {
    failed(error);
  }
}

/** All of them, the one changed last first. */
export async function conversations() {
  const kept = await read("conversations", (store) => store.getAll());
  return joined(kept, "conversations").sort((one, other) => other.changed - one.changed);
}

/** The turns of a conversation in their order. */
export async function turns(conversation) {
  const kept = await read("turns", (store) => store.index("conversation").getAll(conversation));
  return joined(kept, "turns").filter((turn) => turn.conversation === conversation).sort((one, other) => one.at - other.at);
}

export const keep = (conversation) => write(conversation.id, [["conversations", conversation]]);

export const keepTurn = (turn, conversation) => write(conversation.id, [["turns", turn], ["conversations", conversation]]);

/** Put back what `remove` has given. */
export const restore = ({ conversation, turns: all }) => write(conversation.id, [["conversations", conversation], ...all.map((turn) => ["turns", turn])]);

/** Remove a conversation with its turns; they are given back, for `restore`. */
export async function remove(conversation) {
  const all = await turns(conversation.id);
  memory.conversations.delete(conversation.id);
  all.forEach((turn) => memory.turns.delete(turn.id));
  await change((stores) => {
    stores.conversations.delete(conversation.id);
    all.forEach((turn) => stores.turns.delete(turn.id));
  });
  channel?.postMessage(conversation.id);
  return { conversation, turns: all };
}

async function write(id, records) {
  try {
    await change((stores) => records.forEach(([kind, record]) => stores[kind].put(record)));
    records.forEach(([kind, record]) => memory[kind].delete(record.id));
    if (database) channel?.postMessage(id);
    else records.forEach(([kind, record]) => memory[kind].set(record.id, record));
  } catch (error) {
    records.forEach(([kind, record]) => memory[kind].set(record.id, record));
    failed(error);
  }
}

/** Kept records, those in memory over them. */
function joined(kept, kind) {
  return [...new Map([...kept.map((one) => [one.id, one]), ...memory[kind]]).values()];
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("chapter-verse", 1);
    request.onupgradeneeded = () => {
      const [, turnStore] = KINDS.map((kind) => request.result.createObjectStore(kind, { keyPath: "id" }));
      turnStore.createIndex("conversation", "conversation");
    };
    request.onsuccess = () => {
      const gone = (why) => () => {
        request.result.close();
        database = null;
        failed(new DOMException(why, "AbortError"));
      };
      request.result.onversionchange = gone("another tab uses a newer version of this page: reload it");
      request.result.onclose = gone("its storage was cleared");
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new DOMException("another tab holds an older version; close it", "AbortError"));
  });
}

function read(kind, what) {
  if (!database) return [];
  return new Promise((resolve, reject) => {
    const request = what(database.transaction(kind).objectStore(kind));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }).catch((error) => {
    failed(error);
    return [];
  });
}

function change(act) {
  if (!database) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(KINDS, "readwrite");
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
    act(Object.fromEntries(KINDS.map((kind) => [kind, transaction.objectStore(kind)])));
  });
}
