// What Sphinx's search lists, and what it shows of a page.

// A page opened from disk may not fetch another one, so a search there lists titles only.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return; // every page but the one of the search

  // A title that leads to the same page stands once, at its best place; results come worst first.
  const perform = Search._performSearch;
  Search._performSearch = (...query) => {
    const best = new Map();
    for (const result of perform(...query).reverse()) {
      const [page, title] = result;
      if (!best.has(page + title)) best.set(page + title, result);
    }
    return [...best.values()].reverse();
  };

  // The sentences of a page or of the section that was found; of a word its explanation. The code
  // comes after them, and only if it alone has the words.
  const read = (html, anchor, withCode) => {
    const article = new DOMParser().parseFromString(html, "text/html").querySelector("article");
    const found = anchor ? article.querySelector(anchor) : null;
    const part = (found?.matches("dt") ? found.nextElementSibling : found) ?? article;
    for (const other of part.querySelectorAll("h1, h2, h3, table, script, style, summary, .headerlink"))
      other.remove();
    for (const code of part.querySelectorAll("pre"))
      if (withCode) part.append(" ", code);
      else code.remove();
    for (const term of part.querySelectorAll("dt")) term.append(" ");
    for (const math of part.querySelectorAll(".math")) {
      const formula = math.textContent.trim().slice(2, -2); // without \( and \)
      math.textContent = /[\\{]/.test(formula) ? "…" : formula;
    }
    return part.textContent.replace(/\s+/g, " ");
  };
  const summarize = Search.makeSearchSummary;
  Search.makeSearchSummary = (html, words, anchor) => {
    const sentences = read(html, anchor, false).toLowerCase();
    const withCode = ![...words].some((word) => sentences.includes(word.toLowerCase()));
    Search.htmlToText = () => read(html, anchor, withCode);
    return summarize(html, words, anchor);
  };
});
