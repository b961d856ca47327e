/** Light or dark: as the system has it, until somebody chooses. */

import { local } from "./keep.js";

const DARK = matchMedia("(prefers-color-scheme: dark)");
const page = document.documentElement.dataset;

const isDark = () => (page.theme ?? (DARK.matches ? "dark" : "light")) === "dark";

/** `onChange()` is told of each change, the system's too. */
export function watchTheme(button, onChange) {
  const say = () => {
    button.title = isDark() ? "Use light colours" : "Use dark colours";
    button.setAttribute("aria-label", button.title);
    onChange();
  };
  DARK.addEventListener("change", say);
  button.addEventListener("click", () => {
    page.theme = isDark() ? "light" : "dark";
    local.set("theme", page.theme);
    say();
  });
  say();
}

if (local.get("theme")) page.theme = local.get("theme");
