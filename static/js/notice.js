// What does the notice area do? Notices close on request; those that only say "done" leave by themselves, unless looked at.

const area = () => document.getElementById("notice");
const LINGER = 8000;

document.addEventListener("click", (event) => {
  event.target.closest?.("[data-dismiss]")?.closest("[data-toast], [data-refusal]")?.remove();
});

function watch(toast) {
  if (toast.dataset.watched || !toast.classList.contains("done")) return;
  toast.dataset.watched = "yes";
  const leave = () => {
    if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000);
    else toast.remove();
  };
  setTimeout(leave, LINGER);
}

/** Put a sentence into the notice area; `kind` is done, expired or refused. */
export function say(text, kind = "done", title = "") {
  const toast = document.createElement("div");
  toast.className = `state toast ${kind}`;
  toast.dataset.toast = "";
  const body = document.createElement("div");
  body.className = "body";
  for (const words of [title, text]) {
    if (!words) continue;
    const line = document.createElement("p");
    line.textContent = words;
    body.append(line);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button quiet small";
  close.dataset.dismiss = "";
  close.textContent = "Close";
  toast.append(body, close);
  area()?.append(toast);
  watch(toast);
}

new MutationObserver(() => area().querySelectorAll("[data-toast]").forEach(watch)).observe(area() ?? document.body, { childList: true, subtree: true });
area()?.querySelectorAll("[data-toast]").forEach(watch);

document.addEventListener("htmx:sendError", () => say("The server does not answer. Nothing was sent twice and nothing is lost; try once more.", "failed", "Not sent"));
document.addEventListener("htmx:timeout", () => say("The server took too long. Look at the page again before you send it once more.", "failed", "No answer"));
document.addEventListener("notice", (event) => say(event.detail.text ?? event.detail.value, event.detail.kind));

// After a swap of the page, those who read by ear or by key stand at its beginning.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "main" || event.detail.elt?.id === "main") document.getElementById("main")?.focus();
});
