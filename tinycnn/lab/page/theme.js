// Light or dark: that of the notebook around the page, or what the system asks for, until the button is pressed.

/** Set the theme; `changed` is called when it is another. */
export function setUpTheme(button, changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const { around } = document.documentElement.dataset;
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? around ?? (dark.matches ? "dark" : "light");
    changed();
  };
  button.onclick = () => {
    localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    apply();
  };
  dark.addEventListener("change", apply);
  apply();
}
