// What a reader sees of an open notebook in JupyterLab: each cell, and what is broken.
() => {
  const shown = (element) => element !== null && element.checkVisibility();
  // these stay without words: the end of an answer, a picture, the place of a demonstration
  const drawn = (markdown) => markdown?.innerText.trim() || markdown?.querySelector("h6, img, div");
  const cells = [...document.querySelectorAll(".jp-Notebook .jp-Cell")].map((cell) => ({
    shown: shown(cell),
    code: shown(cell.querySelector(".jp-InputArea-editor .cm-content")),
    text: (cell.querySelector(".myst") ?? cell).innerText.trim(),
    loading: cell.matches(".jp-MarkdownCell") && shown(cell) && !drawn(cell.querySelector(".myst")),
  }));
  const faults = [];
  for (const mark of document.querySelectorAll('.myst [title$="Not Found"]')) {
    faults.push(`broken reference: ${mark.textContent}`);
  }
  for (const link of document.querySelectorAll('.myst a.link[href^="#"], .myst a[href="#"]')) {
    faults.push(`leads nowhere: ${link.textContent}`);
  }
  for (const raw of cells.filter((cell) => /\{[\w:]+\}`|```|Unknown Directive/.test(cell.shown && cell.text))) {
    faults.push(`raw markup: ${raw.text}`);
  }
  for (const note of document.querySelectorAll(".Toastify__toast, .jp-Dialog")) {
    faults.push(`asks the reader: ${note.textContent}`);
  }
  return { cells, faults };
}
