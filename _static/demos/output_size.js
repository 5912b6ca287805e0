// "Output sizes": a window on an image, the output that it yields, and the formula with its numbers.
// The page names the settings that it offers; what one leaves out has its lowest number,
//     data-settings='{"conv 1": {"size": 28, "kernel_size": 5, "padding": 2, "channels": [1, 6]}}'
// and one without channels is no convolution, so no line of code is shown.
demos.register("output_size", (box) => {
  const { element } = demos;
  const OFFERED = JSON.parse(box.dataset.settings);
  const AXES = [0, 1]; // height, width
  const PARAMETERS = {
    size: { label: "input", letter: "Sᵢ", min: 1, max: 32 },
    kernel_size: { label: "kernel", letter: "K", min: 1, max: 11 },
    stride: { label: "stride", letter: "S", min: 1, max: 8 },
    padding: { label: "padding", letter: "P", min: 0, max: 8 },
    dilation: { label: "dilation", letter: "D", min: 1, max: 5 },
  };
  const NAMES = Object.keys(PARAMETERS);
  const setting = {}; // of each name, the numbers for height and width
  let channels; // into the layer and out of it
  let outputs; // rows and columns of the output; null where the kernel does not fit
  let place = [0, 0]; // of the window: row and column of its output cell
  let pinned = null; // another place, to compare

  const along = (axis) => Object.fromEntries(NAMES.map((name) => [name, setting[name][axis]]));
  const reads = (at) => AXES.map((axis) => cells.reads(at[axis], along(axis)));
  const isPixel = (axis) => (n) => n >= 0 && n < setting.size[axis];
  const product = ([rows, columns]) => rows * columns;

  // --- controls

  function slider(name, axis) {
    const { label, letter, min, max } = PARAMETERS[name];
    const control = demos.slider(label, { min, max, value: min }, (number) => {
      setting[name][axis] = number;
      if (!differ.input.checked) setting[name][1] = number;
      update();
    });
    const side = element("span", { class: "demo-side" }, [", height", ", width"][axis]);
    control.firstChild.append(" ", element("i", {}, letter), side);
    return control;
  }
  const sliders = NAMES.flatMap((name) => AXES.map((axis) => slider(name, axis)));
  const differ = demos.checkbox("height and width differ", false, () => {
    NAMES.forEach((name, i) => {
      setting[name][1] = setting[name][0];
      sliders[2 * i + 1].set(setting[name][0]);
    });
    update();
  });
  const names = Object.keys(OFFERED);
  const offer = demos.select("setting", names, names[0], choose);
  offer.hidden = names.length === 1;

  function choose(offered) {
    channels = OFFERED[offered].channels;
    NAMES.forEach((name, i) => {
      const number = OFFERED[offered][name] ?? PARAMETERS[name].min;
      setting[name] = AXES.map(() => number);
      for (const axis of AXES) sliders[2 * i + axis].set(number);
    });
    differ.set(false);
    [place, pinned] = [[0, 0], null];
    update();
  }

  const back = demos.button("◀ Step back", () => step(-1));
  const forth = demos.button("Step ▶", () => step(1));
  const unpin = demos.button("Unpin", () => {
    pin(null);
    output.drawing.focus(); // the button is gone
  });

  // --- moving and pinning

  function moveTo(at) {
    if (!outputs) return;
    place = at.map((number, axis) => cells.clamp(number, outputs[axis]));
    update();
  }

  // Row by row, as a convolution goes; after the last place comes the first.
  function step(count) {
    const all = product(outputs);
    const next = (place[0] * outputs[1] + place[1] + count + all) % all;
    moveTo([Math.floor(next / outputs[1]), next % outputs[1]]);
  }

  function pin(at) {
    pinned = String(at) === String(pinned) ? null : at; // the same cell again: no pin
    update();
  }

  const KEYS = "Arrow keys move the window, Enter pins its output cell.";
  const input = cells.grid("Input", KEYS);
  const output = cells.grid("Output", KEYS);
  for (const { drawing } of [input, output]) {
    drawing.addEventListener("keydown", (event) => {
      if (demos.isBrowsers(event)) return;
      const step = demos.ARROWS[event.key];
      if (step) moveTo(place.map((number, axis) => number + step[axis]));
      else if (event.key === "Escape") pin(null);
      else if (outputs && (event.key === "Enter" || event.key === " ")) pin(place);
      else return;
      event.preventDefault();
    });
  }
  // On the input the window is dragged by the part where it was taken; one pressed elsewhere comes
  // with its middle. On the output it follows the mouse.
  let grip; // from the window's middle to where it was taken
  const half = (axis) => (setting.dilation[axis] * (setting.kernel_size[axis] - 1) + 1) / 2;
  const middle = (axis) => place[axis] * setting.stride[axis] - setting.padding[axis] + half(axis);
  cells.onDrag(input.drawing, (position, begins) => {
    if (begins) {
      grip = AXES.map((axis) => position[axis] - middle(axis));
      if (AXES.some((axis) => Math.abs(grip[axis]) > half(axis))) grip = [0, 0];
    }
    const at = AXES.map((axis) => {
      const first = position[axis] - grip[axis] - half(axis);
      return Math.round((first + setting.padding[axis]) / setting.stride[axis]);
    });
    moveTo(at);
  });
  const hover = (event) => moveTo(cells.under(output.drawing, event).map(Math.floor));
  output.drawing.addEventListener("pointermove", hover);
  output.drawing.addEventListener("click", (event) => {
    hover(event);
    pin(place);
  });

  // --- words

  const refusal = element("p", { class: "demo-refusal", role: "alert" });
  const summary = demos.live();
  const windows = demos.live();
  const minus = (number) => String(number).replace("-", "−");

  function list(numbers, noun) {
    const [first, second, last] = [numbers[0], numbers[1], numbers.at(-1)].map(minus);
    if (numbers.length === 1) return `${noun} ${first}`;
    if (numbers.length === 2) return `${noun}s ${first} and ${second}`;
    const step = numbers[1] - numbers[0];
    return `${noun}s ${first} to ${last}${step > 1 ? ` in steps of ${step}` : ""}`;
  }

  function whatItReads(at) {
    const [rows, columns] = reads(at);
    const all = rows.length * columns.length;
    const padding = all - product(reads(at).map((list, axis) => list.filter(isPixel(axis)).length));
    const some = `${padding} of these ${all} cells ${padding > 1 ? "are" : "is"} padding`;
    const lies = padding ? `; ${padding === all ? "all of it is padding" : some}` : "";
    return `output cell (${at.join(", ")}) reads ${list(rows, "row")} and ${list(columns, "column")}${lies}.`;
  }

  function describePlaces() {
    if (String(pinned) === String(place)) return `Pinned: ${whatItReads(pinned)}`;
    const here = `Here ${whatItReads(place)}`;
    if (!pinned) return here;
    const other = reads(pinned);
    const both = reads(place).map((list, axis) => list.filter((n) => other[axis].includes(n)).length);
    const shared = product(both);
    return `${here} Pinned: ${whatItReads(pinned)} The two share ${shared} cell${shared === 1 ? "" : "s"}.`;
  }

  // `all` and `seen`: for each axis the rows or columns that there are, and those that are read.
  function describeOutput(all, seen) {
    const length = (lists) => product(lists.map((list) => list.length));
    const pixels = product(setting.size);
    const padding = length(all) - pixels;
    const readPixels = length(seen.map((list, axis) => list.filter(isPixel(axis))));
    const readPadding = length(seen) - readPixels;
    const missed = [
      readPixels < pixels && `${pixels - readPixels} of the ${pixels} pixels`,
      readPadding < padding && `${padding - readPadding} of the ${padding} cells of padding`,
    ].filter(Boolean);
    const unread = missed.length ? `No window reads ${missed.join(" and ")}.` : "Every cell is read.";
    return `The output has ${outputs.join(" × ")} cells. ${unread}`;
  }

  // --- formula and code

  const formula = element("div", { class: "demo-formula" });
  const span = (...children) => element("span", {}, ...children);
  const letter = (name, below) =>
    span(element("i", {}, name), below ? element("sub", {}, element("i", {}, below)) : "");
  const fraction = (above, below) => element("span", { class: "demo-fraction" }, above, below);
  const floor = (content) => element("span", { class: "demo-floor" }, content);
  const line = (label, ...parts) =>
    element("div", { class: "demo-line", role: "math", "aria-label": label }, ...parts);

  function general() {
    const above = span(letter("S", "i"), " − ", letter("K", "D"), " + 2", letter("P"));
    return line(
      "S o = floor((S i − K D + 2 P) / S) + 1, K D = D (K − 1) + 1",
      span(letter("S", "o"), " = ", floor(fraction(above, letter("S"))), " + 1"),
      span(letter("K", "D"), " = ", letter("D"), "(", letter("K"), " − 1) + 1"),
    );
  }

  function withNumbers(axis) {
    const { size, kernel_size, stride, padding, dilation } = along(axis);
    const K_D = dilation * (kernel_size - 1) + 1;
    const above = `${size} − ${K_D} + 2 · ${padding}`;
    const steps = (size - K_D + 2 * padding) / stride;
    const result = minus(Math.floor(steps) + 1);
    const parts = [
      [letter("S", "o"), " = ", floor(fraction(span(above), span(`${stride}`))), " + 1"],
      ...(Number.isInteger(steps) ? [] : [[" = ", floor(span(minus(+steps.toFixed(2)))), " + 1"]]),
      [" = ", element("span", { class: "demo-result" }, result)],
    ];
    const name = ["height", "width"][axis];
    return line(
      `${name}: floor((${above}) / ${stride}) + 1 = ${result}`,
      element("span", { class: "demo-side" }, name),
      span(...parts.flatMap((part) => [span(...part), " "])),
      span(span(letter("K", "D"), ` = ${dilation} · (${kernel_size} − 1) + 1 = ${K_D}`)),
    );
  }

  const code = element("code", { class: "demo-code" });
  const copied = element("span", { class: "demo-hint", "aria-live": "polite" });
  const copy = demos.button("Copy", () => {
    getSelection().selectAllChildren(code); // where a page must not write, the reader can copy it
    const written = navigator.clipboard?.writeText(code.textContent) ?? Promise.reject();
    const say = (words) => () => (copied.textContent = words);
    written.then(say("Copied."), say("Selected: press Ctrl+C or ⌘C."));
  });

  function call() {
    const written = ([height, width]) => (height === width ? `${height}` : `(${height}, ${width})`);
    const defaults = { stride: "1", padding: "0", dilation: "1" };
    const named = NAMES.slice(1).map((name) => [name, written(setting[name])]);
    const needed = named.filter(([name, value]) => value !== defaults[name]);
    return `nn.Conv2d(${channels.join(", ")}, ${needed.map((pair) => pair.join("=")).join(", ")})`;
  }

  // --- drawing

  const mark = (kind, [rows, columns]) => ({ kind, rows, columns });
  const cell = (kind, at) => mark(kind, at.map((number) => [number]));

  function drawPlaces() {
    const all = AXES.map((axis) => {
      const { size, padding } = along(axis);
      return cells.range(-padding, size + padding);
    });
    const seen = AXES.map((axis) => {
      const read = new Set(cells.range(0, outputs[axis]).flatMap((at) => cells.reads(at, along(axis))));
      return all[axis].filter((n) => read.has(n));
    });
    const unread = AXES.map((axis) => all[axis].filter((n) => !seen[axis].includes(n)));
    input.draw(setting.size, setting.padding, [
      mark("unread", [unread[0], all[1]]),
      mark("unread", [seen[0], unread[1]]),
      mark("window", reads(place)),
      ...(pinned ? [mark("pinned", reads(pinned))] : []),
    ]);
    output.draw(outputs, [0, 0], [cell("window", place), ...(pinned ? [cell("pinned", pinned)] : [])]);
    summary.textContent = describeOutput(all, seen);
    windows.textContent = describePlaces();
  }

  function update() {
    try {
      outputs = cnn.conv_output_size(...NAMES.map((name) => setting[name]));
      refusal.textContent = "";
      place = place.map((number, axis) => cells.clamp(number, outputs[axis]));
      if (pinned?.some((number, axis) => number >= outputs[axis])) pinned = null;
      drawPlaces();
    } catch (error) {
      outputs = null;
      refusal.textContent = `${error.message}.`;
      input.draw(setting.size, setting.padding, [mark("overhang", reads([0, 0]))]);
    }
    box.classList.toggle("demo-both-axes", differ.input.checked);
    formula.replaceChildren(general(), ...AXES.slice(0, differ.input.checked ? 2 : 1).map(withNumbers));
    codeRow.hidden = !channels || !outputs;
    code.textContent = channels ? call() : "";
    copied.textContent = "";
    for (const part of [output.element, back, forth, summary, windows]) part.hidden = !outputs;
    unpin.hidden = !pinned;
    cells.arrange(grids, [input, output]);
  }

  const grids = element("div", { class: "demo-grids" }, input.element, output.element);
  const codeRow = demos.row(code, copy, copied);
  box.append(
    demos.row(offer, differ),
    element("div", { class: "demo-sliders" }, ...sliders),
    refusal,
    grids,
    demos.row(
      ...[back, forth, unpin],
      element(
        "span",
        { class: "demo-hint" },
        "Drag the window, or use the arrow keys. Click a cell of the output, or press Enter, to pin it.",
      ),
    ),
    summary,
    windows,
    formula,
    codeRow,
  );
  choose(names[0]);
});
