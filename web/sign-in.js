// Where to go after signing in; at once where this browser is signed in already: of a link that was followed from another
// site the first request comes without the session.

const wanted = new URLSearchParams(location.search).get("next") ?? "/";
const onward = new URL(wanted, location);
// A path like /.//elsewhere is of this site, and written without its origin it is of another.
const here = onward.origin === location.origin && !onward.pathname.startsWith("//");
const address = here ? onward.pathname + onward.search + location.hash : "/";

document.querySelector("#next").value = address;
document.querySelector("form").action += location.search;  // kept where a token is wrong
const reply = await fetch("/health", { headers: { Accept: "application/json" } }).catch(() => null);
if (reply?.ok && document.querySelector("#failed").hidden) location.replace(address);
