// How long is this case still mine? A quiet ring counts down; work extends the claim by itself; at one minute words warn.

import { say } from "./notice.js";

const WARN = 60;
let worked = false;
let warned = false;
let asked = 0;
let ends = 0;
let form = null;
const title = () => document.title.replace(/^\(\d+:\d\d\) /, "");

function find() {
  const found = document.querySelector("[data-claim]");
  if (found === form) return;
  form = found;
  warned = false;
  if (form) ends = Date.now() + 1000 * Number(form.dataset.claim);
}

function extend() {
  asked = Date.now();
  worked = false;
  form.requestSubmit();
}

function tick() {
  find();
  if (!form) return;
  const lease = Number(form.dataset.lease);
  const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
  const words = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  form.querySelector("[data-left]").textContent = left ? words : "no time any more";
  form.querySelector("[data-ring]").setAttribute("stroke-dashoffset", String(100 - (100 * left) / lease));
  form.firstElementChild.nextElementSibling?.classList.toggle("danger", left <= WARN);
  document.title = left <= WARN && left ? `(${words}) ${title()}` : title();
  if (worked && left && left < lease / 2 && Date.now() - asked > 20000) extend();
  else if (left && left <= WARN && !warned) {
    warned = true;
    say("Less than a minute is left on this claim. Press the ring in the bar above, or just go on working.", "expired", "Your claim ends soon");
  } else if (!left && warned !== "over") {
    warned = "over";
    say("What you typed is kept as a draft for 24 hours. Claim the case again to go on.", "expired", "Your claim has ended");
  }
}

for (const kind of ["keydown", "pointerdown", "input", "wheel"]) {
  document.addEventListener(kind, () => (worked = true), { passive: true });
}
document.addEventListener("htmx:afterSettle", tick);
setInterval(tick, 1000);
tick();
