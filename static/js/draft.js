// What if I am called away? What is filled in is kept on the server shortly after each change, and when the page is left.

const WAIT = 1500;
let timer = 0;
let dirty = null;

async function keep(form, last = false) {
  clearTimeout(timer);
  dirty = null;
  const state = document.querySelector("[data-draft-state]");
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.draft, { method: "POST", body, keepalive: last, headers: { "X-Requested-With": "fetch" } });
    if (state) state.textContent = answer.ok ? "Draft kept." : "The draft could not be kept.";
  } catch {
    if (state) state.textContent = "The draft could not be kept: no connection.";
  }
}

function note(event) {
  const form = event.target.closest?.("form[data-draft]");
  if (!form) return;
  dirty = form;
  clearTimeout(timer);
  timer = setTimeout(() => dirty && keep(dirty), WAIT);
}

document.addEventListener("input", note);
document.addEventListener("change", note);
document.addEventListener("submit", (event) => {
  if (event.target.matches?.("form[data-draft]")) {
    clearTimeout(timer);
    dirty = null;
  }
});
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && dirty && keep(dirty, true));
