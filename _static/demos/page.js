// What the live demonstrations of the book share: their place in the page and the parts they are
// built of. A page says where one stands and which picture it takes the place of,
//     <div class="demo" data-demo="kernels" data-replaces="fig-conv-edges"></div>
// and the script of the demonstration says what stands there,
//     demos.register("kernels", (box) => { box.append(…); });
// The mathematics is in core.js and, of networks that learn, in learning.js. Links below each
// demonstration lead there.
const demos = (() => {
  const makers = {};
  const themeListeners = [];

  function register(name, make) {
    makers[name] = make;
  }

  // The picture stays for paper; its caption, its number and links to it stay for all.
  function mount(box) {
    makers[box.dataset.demo](box);
    box.append(element("p", { class: "demo-hint" }, ...codeLinks()));
    const figure = document.getElementById(box.dataset.replaces);
    if (!figure) return;
    const image = figure.querySelector("img") ?? figure;
    const picture = image.closest("a") ?? image;
    picture.before(box);
    picture.classList.add("demo-replaced");
  }

  // To the scripts of which _ext/demos.py has counted the lines.
  function codeLinks() {
    const [core, learning] = document.querySelectorAll("script[data-lines]");
    const link = ({ src, dataset: { lines } }, before, after) =>
      element("a", { href: src }, `${before}${lines} lines that ${after}`);
    const links = core ? [link(core, "Read the ", "compute this")] : [];
    return learning ? [...links, " and ", link(learning, "the ", "learn")] : links;
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".demo[data-demo]").forEach(mount);
    new MutationObserver(() => themeListeners.forEach((listen) => listen())).observe(
      document.documentElement,
      { attributeFilter: ["data-theme"] },
    );
  });

  // Elements. Attributes that are functions listen ({ click: f }); null and false leave one out.
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  }
  const element = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // Controls. Each has its label; `set` changes what it shows and calls nobody. A browser that comes
  // back to the page must not fill in what they showed before: the demonstration begins anew.
  const button = (text, click, attributes) =>
    element("button", { type: "button", class: "demo-button", click, ...attributes }, text);

  function slider(label, { min = 0, max, step = 1, value, show = String }, change) {
    const shown = element("b", { "aria-hidden": "true" }); // screen readers say aria-valuetext
    const input = element("input", { type: "range", min, max, step, autocomplete: "off" });
    const control = element("label", { class: "demo-slider" }, element("span", {}, label), shown, input);
    const tell = () => {
      shown.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    control.set = (value) => {
      input.value = value;
      tell();
    };
    control.set(value);
    input.addEventListener("input", () => {
      tell();
      change(Number(input.value));
    });
    return control;
  }

  // options: { value: "text" }, or a list of texts that are their own values
  function select(label, options, value, change) {
    const pairs = Array.isArray(options) ? options.map((text) => [text, text]) : Object.entries(options);
    const input = element(
      "select",
      { change: () => change(input.value), autocomplete: "off" },
      ...pairs.map(([value, text]) => element("option", { value }, text)),
    );
    const control = element("label", { class: "demo-select" }, element("span", {}, label), input);
    control.input = input;
    control.set = (value) => (input.value = value);
    control.set(value);
    return control;
  }

  function checkbox(label, checked, change) {
    const changed = () => change(input.checked);
    const input = element("input", { type: "checkbox", change: changed, autocomplete: "off" });
    const control = element("label", { class: "demo-checkbox" }, input, element("span", {}, label));
    control.input = input;
    control.set = (checked) => (input.checked = checked);
    control.set(checked);
    return control;
  }

  // With one of these, a key is the browser's own.
  const isBrowsers = ({ ctrlKey, altKey, metaKey }) => ctrlKey || altKey || metaKey;

  // What an arrow key adds to a row and a column.
  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  const row = (...children) => element("div", { class: "demo-row" }, ...children);

  // A number with its minus sign, and no -0.
  const decimal = (value, digits) =>
    (Number(value.toFixed(digits)) || 0).toFixed(digits).replace("-", "−");

  // A digit with its article: "a 7", "an 8".
  const a = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

  // A text that is read aloud when it changes.
  const live = () => element("p", { class: "demo-live", "aria-live": "polite" });

  // Colors are variables of demos.css: color("positive") is --demo-positive.
  const color = (name) => getComputedStyle(document.querySelector(".demo")).getPropertyValue(`--demo-${name}`).trim();
  const font = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;
  const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // A drawing as wide as its place, `ratio` times as high, sharp on every screen. draw(context,
  // width, height) works in CSS pixels; it runs when the size or the theme changes and on redraw().
  // The caller sets its aria-label.
  function drawing(ratio, draw) {
    const canvas = element("canvas", { class: "demo-drawing", role: "img" });
    canvas.style.aspectRatio = 1 / ratio;
    canvas.redraw = () => {
      const { clientWidth: width, clientHeight: height } = canvas;
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
      const context = canvas.getContext("2d");
      context.scale(canvas.width / width, canvas.height / height);
      if (width) draw(context, width, height);
    };
    new ResizeObserver(canvas.redraw).observe(canvas);
    themeListeners.push(canvas.redraw);
    document.fonts.ready.then(canvas.redraw); // letters are drawn anew in the book's own
    return canvas;
  }

  // One canvas pixel for each number of an image (H, W), as in the figures of the chapters: "gray"
  // from the lowest to the highest, "signed" from blue over white at 0 to red, or between `limits`.
  const RED_BLUE = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

  function shade(share, scale) {
    const inside = Math.min(1, Math.max(0, share));
    if (scale === "gray") return Array(3).fill(255 * inside);
    const place = inside * (RED_BLUE.length - 1);
    const left = Math.min(Math.floor(place), RED_BLUE.length - 2);
    return RED_BLUE[left].map((low, i) => low + (place - left) * (RED_BLUE[left + 1][i] - low));
  }

  function drawPixels(canvas, values, H, W, scale = "gray", limits = null) {
    const strongest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    const [low, high] =
      limits ??
      (scale === "gray"
        ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
        : [-strongest, strongest]);
    canvas.width = W;
    canvas.height = H;
    const pixels = new ImageData(W, H);
    for (let i = 0; i < H * W; i++)
      pixels.data.set([...shade((values[i] - low) / (high - low || 1), scale), 255], 4 * i);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  // --- data files

  // The numbers that a data file holds as text.
  function decode(base64, Type = Float32Array) {
    return new Type(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
  }

  // The tensors of a state dict in a data file, by their keys, such as "0.weight".
  function decode_state(state) {
    const decoded = ([key, { shape, data }]) => [key, cnn.tensor(shape, decode(data))];
    return Object.fromEntries(Object.entries(state).map(decoded));
  }

  return {
    register, element, svg, button, slider, select, checkbox, row, decimal, a, live, decode, decode_state,
    ARROWS, isBrowsers, color, font, reducedMotion, drawing, drawPixels, shade,
  };
})();
