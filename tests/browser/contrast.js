// Text that stands out too little from what is behind it (WCAG's ratio below 4.5, of large letters
// too), once the page has taken the scheme, light or dark, that was asked for.
async (scheme) => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const { theme } = document.documentElement.dataset;
  if (theme && theme !== scheme) return [`the theme is ${theme}`];
  for (const change of document.getAnimations())
    if (change instanceof CSSTransition) change.finish();
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const seen = new Map();
  const rgba = (color) => {
    if (!seen.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      seen.set(color, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return seen.get(color);
  };
  const light = ([r, g, b]) => {
    const part = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const over = ([r, g, b, a], ground) =>
    [r, g, b].map((part, i) => (part * a + ground[i] * (255 - a)) / 255);
  const behind = (e) => {
    if (!e) return [255, 255, 255];
    const color = rgba(getComputedStyle(e).backgroundColor);
    return color[3] === 255 ? color : over(color, behind(e.parentElement));
  };
  const faults = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || e.closest("script, style, a.headerlink, .onlyprint")) continue;
    if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const ground = behind(e);
    const [a, b] = [light(over(rgba(getComputedStyle(e).color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5)
      faults.add(`contrast ${ratio.toFixed(1)}: <${e.tagName.toLowerCase()} class="${e.className}"> ${texts.currentNode.data.trim().slice(0, 30)}`);
  }
  return [...faults].slice(0, 5);
}
