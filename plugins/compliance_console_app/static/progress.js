// Looks again every three seconds and shows what changed, until the runs are over. Without it, the page has a refresh.
"use strict";

const shown = document.getElementById("progress");
// Which of the steps around it are done: where that changes, the whole page is another one.
const steps = (page) => page.querySelector("[data-steps]")?.dataset.steps;

async function look() {
  try {
    const answer = await fetch(window.location.href, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("progress");
    if (answer.ok && steps(page) !== steps(document)) return window.location.reload();
    if (answer.ok && fresh && fresh.innerHTML !== shown.innerHTML) {
      shown.replaceChildren(...fresh.childNodes);
      shown.dataset.over = fresh.dataset.over;
      tick();
    }
  } catch {
    // The next look may succeed.
  }
  if (shown.dataset.over !== "yes") window.setTimeout(look, 3000);
}

// The time that a run has taken goes on between two looks.
function tick() {
  for (const place of shown.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(place.dataset.since)) / 1000));
    place.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
}

window.setTimeout(look, 3000);
window.setInterval(tick, 1000);
