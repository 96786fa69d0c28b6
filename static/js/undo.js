// How long can I take it back? The seconds left stand on each notice; when they are over it leaves, unless a hand is on it.

function tick() {
  for (const notice of document.querySelectorAll("[data-undo]")) {
    notice.ends ??= Date.now() + 1000 * Number(notice.dataset.undo);
    const left = Math.ceil((notice.ends - Date.now()) / 1000);
    if (left <= 0) {
      if (notice.contains(document.activeElement)) document.getElementById("main")?.focus();
      notice.remove();
    } else notice.querySelector("[data-left]").textContent = String(left);
  }
}
setInterval(tick, 500);
tick();
