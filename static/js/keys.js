// Which key does what? Every control carries its own in `data-key`; one key, or two after one another ("g q").
// Keys do nothing while somebody types, and nothing at all when the profile says so (WCAG 2.1.4).

const PAUSE = 1200;
let first = "";
let timer = 0;

export const off = () => document.body.dataset.keys === "off";
export const shown = (element) => !element.disabled && !element.closest("[hidden], [inert]") && element.getClientRects().length > 0;
export const keyed = () => [...document.querySelectorAll("[data-key]")].filter((element) => element.dataset.key && shown(element));

export function label(element) {
  const given = element.dataset.keyLabel ?? element.getAttribute("aria-label");
  if (given) return given;
  const source = element.matches("input, select, textarea") ? (element.labels?.[0] ?? element) : element;
  const copy = source.cloneNode(true);
  copy.querySelectorAll("kbd, svg, .count, .seen-by-readers, [data-not-label]").forEach((part) => part.remove());
  return copy.textContent.trim().replace(/\s+/g, " ");
}

export function press(element) {
  if (element.matches("input[type=radio], input[type=checkbox]")) {
    element.click();
    element.focus({ preventScroll: false });
  } else if (element.matches("input, select, textarea")) {
    element.focus();
    element.select?.();
  } else if (element.matches("summary")) {
    element.parentElement.open = !element.parentElement.open;
    element.focus();
  } else {
    if (element.matches("[tabindex], button, a")) element.focus({ preventScroll: true });
    element.click();
  }
}

const typing = (target) =>
  target.isContentEditable || (target.matches?.("input, textarea, select") && !target.matches("input[type=radio], input[type=checkbox], input[type=submit]"));

function name(event) {
  if (event.key === "Enter") return "Enter";
  return event.key.length === 1 ? event.key.toLowerCase() : "";
}

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")].filter(shown);
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, here < 0 ? 0 : here + step))];
  (next.querySelector("a, button") ?? next).focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || off()) return;
  if (event.key === "Escape" && typing(event.target) && !event.target.closest("dialog")) {
    event.target.blur();
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = name(event);
  if (!key) return;
  if (key === "Enter" && event.target.closest("a, button, summary, input")) return;
  if (key === "?") {
    event.preventDefault();
    sheet();
    return;
  }
  const wanted = first ? `${first} ${key}` : key;
  first = "";
  clearTimeout(timer);
  const all = keyed();
  const found = all.find((element) => element.dataset.key === wanted);
  if (found) {
    event.preventDefault();
    press(found);
  } else if (all.some((element) => element.dataset.key.startsWith(`${wanted} `))) {
    first = wanted;
    timer = setTimeout(() => (first = ""), PAUSE);
  } else if (key === "j" || key === "k") {
    event.preventDefault();
    move(key === "j" ? 1 : -1);
  }
});

function sheet() {
  const dialog = document.getElementById("keys");
  const list = dialog?.querySelector("[data-keys-list]");
  if (!list) return;
  const rows = keyed().map((element) => [element.dataset.key, label(element)]);
  if (document.querySelector("[data-row]")) rows.push(["j", "Next row"], ["k", "Row before"]);
  rows.push(["Ctrl K", "Go to or do anything"], ["?", "This list"]);
  const seen = new Set();
  list.replaceChildren();
  for (const [keys, words] of rows) {
    if (!words || seen.has(keys)) continue;
    seen.add(keys);
    const row = document.createElement("div");
    const what = document.createElement("dt");
    what.textContent = words;
    const how = document.createElement("dd");
    for (const key of keys.split(" ")) {
      const cap = document.createElement("kbd");
      cap.textContent = key === "Enter" ? "⏎" : key.length === 1 ? key.toUpperCase() : key;
      how.append(cap, " ");
    }
    row.append(what, how);
    list.append(row);
  }
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-open-keys]")) sheet();
  if (event.target.matches?.("dialog")) event.target.close();
});

// Screen readers hear of the keys too.
function announce() {
  for (const element of document.querySelectorAll("[data-key]")) {
    if (off()) element.removeAttribute("aria-keyshortcuts");
    else element.setAttribute("aria-keyshortcuts", element.dataset.key);
  }
}
announce();
document.addEventListener("htmx:afterSettle", announce);
