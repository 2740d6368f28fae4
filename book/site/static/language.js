// Remember the language that the reader switches to, for the landing page; without storage nothing is lost.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-language]");
  if (!link) return;
  try {
    localStorage.setItem("vlmlearn-language", link.dataset.language);
  } catch {}
});
