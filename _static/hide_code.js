// "Hide code" and "Show code" for a whole page that has code. Neither is pressed at first: the page
// folds what its author folded. The choice is remembered where the browser lets a page remember.
(() => {
  const root = document.documentElement;
  const remember = (choice) => {
    try {
      if (choice) localStorage.setItem("code", choice);
      else localStorage.removeItem("code");
    } catch {} // a blocked storage: the choice lasts as long as the page
  };
  const remembered = () => {
    try {
      return localStorage.getItem("code") ?? "";
    } catch {
      return "";
    }
  };
  root.dataset.code = remembered(); // before the page is drawn

  document.addEventListener("DOMContentLoaded", () => {
    const folds = document.querySelectorAll(".bd-article div.cell > details.hide.above-input");
    for (const fold of folds) fold.querySelector("summary").removeAttribute("aria-label"); // hides the label
    const header = document.querySelector(".article-header-buttons");
    if (!header || !document.querySelector(".bd-article div.cell_input")) return;

    const group = document.createElement("div");
    group.className = "code-switch";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Code on this page");
    const buttons = ["hide", "show"].map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = choice === "hide" ? "Hide code" : "Show code";
      button.addEventListener("click", () => choose(root.dataset.code === choice ? "" : choice));
      button.choice = choice;
      return button;
    });
    group.append(...buttons);
    header.prepend(group);

    const choose = (choice) => {
      remember(choice);
      apply(choice);
    };
    const apply = (choice) => {
      root.dataset.code = choice;
      for (const fold of folds) fold.open = choice === "show";
      for (const button of buttons) button.setAttribute("aria-pressed", button.choice === choice);
    };
    apply(root.dataset.code);
  });
})();
