// The theme that was chosen before, set before anything is drawn.
try {
  const theme = localStorage.getItem("fluxkit.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing has the theme of the system.
}
