// Looks again every three seconds and shows what changed, until the runs are over. Without it, the page has a refresh.
"use strict";

const shown = document.getElementById("progress");

async function look() {
  try {
    const answer = await fetch(window.location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("progress");
    if (answer.ok && fresh && fresh.innerHTML !== shown.innerHTML) {
      shown.replaceChildren(...fresh.childNodes);
      shown.dataset.over = fresh.dataset.over;
    }
  } catch {
    // The next look may succeed.
  }
  if (shown.dataset.over !== "yes") window.setTimeout(look, 3000);
}

window.setTimeout(look, 3000);
