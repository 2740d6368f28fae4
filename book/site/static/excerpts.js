// Under each search result, the place where the words stand. The texts come as a script, which, unlike a
// fetched page, may be loaded from disk.
(() => {
  const results = document.getElementById("search-results");
  const query = (new URLSearchParams(location.search).get("q") || "").trim().toLowerCase();
  if (!results || !query) return;

  const explain = (item) => {
    const page = item.querySelector("a").getAttribute("href").split(".html")[0];
    const text = PAGE_TEXTS[page] || "";
    const lower = text.toLowerCase();
    const words = [query, ...splitQuery(query)].sort((a, b) => b.length - a.length);
    const word = words.find((candidate) => lower.includes(candidate));
    if (!word || item.querySelector("p.excerpt")) return;
    const start = lower.indexOf(word);
    const from = Math.max(0, start - 50);
    const mark = document.createElement("mark");
    mark.textContent = text.slice(start, start + word.length);
    const excerpt = document.createElement("p");
    excerpt.className = "excerpt";
    excerpt.append(from ? "…" : "", text.slice(from, start), mark, text.slice(start + word.length, start + 110), "…");
    item.append(excerpt);
  };

  const script = document.createElement("script");
  script.src = `${document.documentElement.dataset.content_root}_static/texts.js`;
  script.onload = () => {
    const all = () => results.querySelectorAll("li").forEach(explain);
    new MutationObserver(all).observe(results, { childList: true, subtree: true });
    all();
  };
  document.head.append(script);
})();
