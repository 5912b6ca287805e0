// What is wrong with the open page, as a list of sentences. Rendered formulas are waited for.
async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const faults = [];
  const name = (e) =>
    e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") +
    (typeof e.className === "string" && e.className ? "." + e.className.trim().split(/\s+/).join(".") : "");
  const start = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);

  for (const e of document.querySelectorAll(".math, script[type^='math/']"))
    if (!e.querySelector("mjx-container")) faults.push(`formula not rendered: ${start(e.textContent)}`);
  for (const e of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
    faults.push(`formula with an error: ${e.getAttribute("data-mjx-error") ?? start(e.textContent)}`);

  const raw = /\$[^$\n]+\$|\\\(|\\\[|\\begin\{|\{(eq|numref|ref|term|doc|cite[^}]*|glue[^}]*)\}`|`{3}\{|:{3}\{/;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (e.closest("pre, code, script, style, noscript, mjx-container, .math")) continue;
    if (raw.test(texts.currentNode.data)) faults.push(`raw markup in the text: ${start(texts.currentNode.data)}`);
  }

  for (const e of document.images) {
    const file = e.getAttribute("src") ?? ""; // Sphinx writes it where an author gave no text
    if (!e.alt.trim() || file.endsWith(e.alt.trim())) faults.push(`image without alt text: ${file}`);
    if (e.complete && !e.naturalWidth) faults.push(`image does not load: ${file}`);
  }
  for (const e of document.querySelectorAll("link[rel~=preconnect], link[rel~=dns-prefetch]"))
    if (e.host !== location.host) faults.push(`connects to another host: ${e.href}`);
  return faults;
}
