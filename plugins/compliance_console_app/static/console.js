// Airflow keeps the theme that was chosen in its own storage; follow it, also while the page is open.
(() => {
  const follow = () => {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  follow();
  window.addEventListener("storage", follow);
})();

// What the pages do more comfortably with a script; each works without.
document.addEventListener("DOMContentLoaded", () => {
  const menus = () => document.querySelectorAll('details[name="menu"][open]');
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // The zone of the person's own clock, which the server doesn't know.
  for (const zones of document.querySelectorAll("[data-zone]")) {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (own && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(own));
  }

  // Choosing a workspace or a zone needs no button more.
  for (const select of document.querySelectorAll(".selector select"))
    select.addEventListener("change", () => select.value && select.form.submit());

  // Copy what has to be typed elsewhere; where the clipboard is closed to a page, it is selected, ready to be copied.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const place = document.getElementById(button.dataset.copy);
    const before = [...button.childNodes];
    button.hidden = false;
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(place);
      let said = "Copied";
      try {
        await navigator.clipboard.writeText(place.textContent);
      } catch {
        said = document.execCommand("copy") ? "Copied" : "Selected";
      }
      button.replaceChildren(said);
      window.setTimeout(() => button.replaceChildren(...before), 2000);
    });
  }

  // Select all of a table, and say how many are ticked where the actions are.
  for (const all of document.querySelectorAll("input[data-all]")) {
    all.hidden = false;
    const boxes = [...all.closest("table").querySelectorAll('tbody input[type="checkbox"]')];
    const told = all.form ? all.form.querySelectorAll("[data-ticked]") : [];
    const tell = () => {
      const count = boxes.filter((box) => box.checked).length;
      all.checked = count === boxes.length;
      all.indeterminate = count > 0 && !all.checked;
      for (const place of told) place.textContent = count ? `${count} ticked` : "";
    };
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      tell();
    });
    for (const box of boxes) box.addEventListener("change", tell);
    tell();
  }
});
