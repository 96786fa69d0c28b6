// Where to, or what? Ctrl-K (or Cmd-K) lists every door and every act of the page in one dialog; typing narrows it.

import { keyed, label, press, shown } from "./keys.js";

const dialog = document.getElementById("palette");
const input = dialog?.querySelector("input");
const list = dialog?.querySelector("[role=listbox]");
let choices = [];
let at = 0;

function gather() {
  const elements = new Set([...document.querySelectorAll("[data-palette]")].filter(shown).concat(keyed()));
  const seen = new Set();
  return [...elements]
    .map((element) => ({ text: label(element), key: element.dataset.key ?? "", act: () => press(element) }))
    .filter(({ text }) => text && !seen.has(text) && seen.add(text));
}

function find(text) {
  const form = document.querySelector("form.find");
  if (!form || !text) return [];
  return [{ text: `Find “${text}”`, key: "", act: () => { form.elements.q.value = text; form.requestSubmit(); } }];
}

function draw() {
  const wanted = input.value.trim().toLowerCase();
  const all = gather().filter(({ text }) => text.toLowerCase().includes(wanted));
  choices = [...all.slice(0, 30), ...find(input.value.trim())];
  at = 0;
  list.replaceChildren(
    ...choices.map((choice, index) => {
      const option = document.createElement("div");
      option.id = `palette-${index}`;
      option.setAttribute("role", "option");
      option.append(choice.text);
      if (choice.key) {
        const cap = document.createElement("kbd");
        cap.textContent = choice.key === "Enter" ? "⏎" : choice.key.toUpperCase();
        option.append(cap);
      }
      option.addEventListener("click", () => choose(index));
      return option;
    }),
  );
  mark();
}

function mark() {
  [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
  list.children[at]?.scrollIntoView({ block: "nearest" });
  if (list.children[at]) input.setAttribute("aria-activedescendant", list.children[at].id);
  else input.removeAttribute("aria-activedescendant");
}

function choose(index) {
  const choice = choices[index];
  dialog.close();
  choice?.act();
}

document.addEventListener("keydown", (event) => {
  if (!dialog || event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
  event.preventDefault();
  if (dialog.open) return dialog.close();
  if (document.querySelector("dialog[open]")) return;
  dialog.returnTo = document.activeElement;
  input.value = "";
  draw.call(null);
  dialog.showModal();
  input.focus();
});

input?.addEventListener("input", draw);
input?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    at = (at + (event.key === "ArrowDown" ? 1 : -1) + choices.length) % Math.max(1, choices.length);
    mark();
  } else if (event.key === "Enter") {
    event.preventDefault();
    choose(at);
  }
});
