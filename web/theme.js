// Before anything is painted: the colours that were chosen in the settings.
try {
  const { theme } = JSON.parse(localStorage.getItem("settings")) ?? {};
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // no storage, or not ours: the colours of the system
}
