// The address tells what is open beside the chat; the state kept with it, which conversation is shown.
//   /   the chat alone        /library   beside the documents        /documents/ID#char=…   beside one of them

let changed = () => {};

export const current = () => ({ path: location.pathname, hash: location.hash, ...history.state });

/** Open an address. `state` is joined to what the present one keeps; `replace` leaves no step to go back to. */
export function go(address, state = {}, replace = false) {
  const kept = { ...history.state, marks: undefined, ...state };
  history[replace ? "replaceState" : "pushState"](kept, "", address);
  changed(current());
}

/** Keep something with the present address. */
export const keep = (state) => history.replaceState({ ...history.state, ...state }, "");

/** `shown` is called with `{path, hash, conversation, …}` now, and its result returned, and whenever the address changes. */
export function start(shown) {
  changed = shown;
  addEventListener("popstate", () => changed(current()));  // also for a changed hash
  return changed(current());
}
