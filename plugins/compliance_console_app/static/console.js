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
