// How long does a personal value stay on the page? It counts down, then the value leaves the document for good.

let block = null;
let ends = 0;

function cover() {
  const gone = document.createElement("p");
  gone.className = "hint";
  gone.textContent = "Covered again. Ask anew if you still need it.";
  const empty = document.createElement("div");
  empty.id = "revealed";
  empty.setAttribute("role", "status");
  empty.append(gone);
  block?.replaceWith(empty);
  block = null;
}

function tick() {
  const found = document.querySelector("[data-ends]");
  if (found !== block) {
    block = found;
    if (block) ends = Date.now() + 1000 * Number(block.dataset.ends);
  }
  if (!block) return;
  const left = Math.ceil((ends - Date.now()) / 1000);
  if (left <= 0) cover();
  else block.querySelector("[data-ends-left]").textContent = String(left);
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-ends-now]")) cover();
});
document.addEventListener("htmx:afterSettle", tick);
// A page taken out of the browser's memory by "back" shows nothing that was covered meanwhile.
addEventListener("pagehide", cover);
setInterval(tick, 1000);
tick();
