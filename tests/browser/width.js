// The elements that make the page wider than the screen: those beyond its edge that no box scrolls.
() => {
  const screen = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= screen) return [];
  const scrolled = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== "visible" || getComputedStyle(p).position === "fixed") return true;
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")].filter(
    (e) => e.getBoundingClientRect().right > screen + 1 && !scrolled(e) && getComputedStyle(e).position !== "fixed");
  const deepest = wide.filter((e) => !wide.some((other) => other !== e && e.contains(other)));
  const parts = deepest.slice(0, 3).map((e) =>
    `<${e.tagName.toLowerCase()} class="${e.className}"> ${e.textContent.trim().replace(/\s+/g, " ").slice(0, 50)}`);
  return [`${document.documentElement.scrollWidth} pixels wide on a screen of ${screen}: ${parts.join(" | ")}`];
}
