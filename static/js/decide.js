// What follows from a choice? A reason proposes its outcome and length, one choice changes the words on the button.

const panel = (target) => target.closest?.("form.decide");
let touched = false; // an outcome chosen by hand is not changed by a reason any more

function suggest(form, reason) {
  if (touched || !reason.dataset.suggests) return;
  const outcome = form.querySelector(`[name=outcome][value="${reason.dataset.suggests}"]`);
  if (outcome) outcome.checked = true;
  const days = form.querySelector(`[name=until_days][value="${reason.dataset.days}"]`);
  if (days) days.checked = true;
}

function draw(form) {
  const outcome = form.querySelector("[name=outcome]:checked");
  const reason = form.querySelector("[name=reason_code]:checked");
  const send = document.querySelector("[data-send]");
  const note = form.elements.note;
  note.required = Boolean(form.elements.silent?.checked || reason?.hasAttribute("data-note") || outcome?.hasAttribute("data-note"));
  if (!outcome) return void (send.textContent = "Decide");
  let words = outcome.dataset.says;
  const scope = form.querySelector("[name=scope]:checked");
  if (outcome.value === "restrict" && scope) words += ` ${scope.parentElement.textContent.trim().toLowerCase()}`;
  if (outcome.dataset.until !== "no") {
    const own = form.elements.until_date.value;
    const days = form.querySelector("[name=until_days]:checked");
    if (own) words += ` until ${new Date(`${own}T12:00`).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" })}`;
    else if (days) words += ` until ${days.dataset.day}`;
  }
  send.textContent = outcome.hasAttribute("data-second") ? `Propose: ${words}` : words;
}

document.addEventListener("change", (event) => {
  const form = panel(event.target);
  if (!form) return;
  if (event.target.name === "reason_code") suggest(form, event.target);
  if (event.target.name === "outcome") touched = true;
  if (event.target.name === "until_days") form.elements.until_date.value = "";
  if (event.target.name === "until_date" && event.target.value) form.querySelectorAll("[name=until_days]").forEach((day) => (day.checked = false));
  draw(form);
});

// The end of a form that does not fit stays in sight: a menu closes when another opens or Escape is pressed.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.menu") || !event.target.open) return;
  document.querySelectorAll("details.menu[open]").forEach((menu) => menu !== event.target && (menu.open = false));
  event.target.querySelector("input:not([type=hidden])")?.focus();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

function begin() {
  touched = false;
  document.querySelectorAll("form.decide").forEach((form) => {
    if (form.querySelector("[name=outcome]:checked")) touched = true;
    draw(form);
  });
}
document.addEventListener("htmx:afterSettle", (event) => !["claim-bar", "holder-notice"].includes(event.detail.elt?.id) && begin());
begin();
