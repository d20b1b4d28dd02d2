// What a person has set; kept in the browser, and as it ships where the browser keeps nothing.

import { $ } from "./dom.js";

const SHIPPED = { theme: "auto", top_k: 5, mode: "hybrid", shortcuts: true, rail: true };
const MODES = ["hybrid", "bm25", "dense"], MOST = 20;
let settings = read();

export const get = () => settings;

/** Change some of them; `false` where the browser does not keep them. */
export function set(changes) {
  settings = sound({ ...settings, ...changes });
  paint();
  try {
    localStorage.setItem("settings", JSON.stringify(settings));
    return true;
  } catch {
    return false;
  }
}

/** Bind the form of the dialog; another tab's changes are taken over. */
export function setup() {
  const form = $("#settings form");
  const fill = () => Object.entries(settings).forEach(([name, value]) => {
    const field = form.elements[name];
    if (field) field[field.type === "checkbox" ? "checked" : "value"] = value;
  });
  form.addEventListener("input", () => {
    if (!form.elements.top_k.validity.valid) return;
    const { theme, top_k, mode, shortcuts } = form.elements;
    set({ theme: theme.value, top_k: Number(top_k.value), mode: mode.value, shortcuts: shortcuts.checked });
  });
  $("#settings").addEventListener("close", fill);
  addEventListener("storage", ({ key }) => {
    if (key !== "settings") return;
    settings = read();
    paint();
    fill();
  });
  fill();
}

function paint() {
  if (settings.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}

function read() {
  try {
    return sound({ ...SHIPPED, ...JSON.parse(localStorage.getItem("settings")) });
  } catch {
    return SHIPPED;
  }
}

/** What another version of this page has kept may not fit. */
function sound(given) {
  const fits = Number.isInteger(given.top_k) && given.top_k >= 1 && given.top_k <= MOST;
  return { ...given, top_k: fits ? given.top_k : SHIPPED.top_k, mode: MODES.includes(given.mode) ? given.mode : SHIPPED.mode };
}
