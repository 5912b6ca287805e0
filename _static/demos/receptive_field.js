// "Receptive field": a stack of layers, and what one of its cells sees of the image below.
demos.register("receptive_field", (box) => {
  const { element } = demos;
  const AXES = [0, 1]; // rows, columns
  const MOST = 6; // layers
  const CHOICES = {
    kernel_size: { letter: "K", least: 1, most: 7 },
    stride: { letter: "S", least: 1, most: 4 },
    padding: { letter: "P", least: 0, most: 3 },
    dilation: { letter: "D", least: 1, most: 4 },
  };
  const convolution = (kernel_size, others) => ({
    kind: "convolution", kernel_size, stride: 1, padding: 0, dilation: 1, ...others,
  });
  const pooling = (kernel_size) => ({
    kind: "pooling", kernel_size, stride: kernel_size, padding: 0, dilation: 1,
  });
  const STACKS = {
    LeNet: () => [convolution(5, { padding: 2 }), pooling(2), convolution(5), pooling(2)],
    "one 5 × 5": () => [convolution(5)],
    "two 3 × 3": () => [convolution(3), convolution(3)],
    "3 × 3, stride 2, three times": () => [1, 2, 3].map(() => convolution(3, { stride: 2, padding: 1 })),
    "3 × 3, dilation 1, 2, 4": () => [1, 2, 4].map((dilation) => convolution(3, { dilation })),
  };
  let size = 28; // of the image, along both axes
  let layers = STACKS.LeNet();
  let sizes; // of the image and of each layer's map, as far as the layers fit
  let chosen = null; // by the reader: { map, at: [row, column] }, map 0 is the image
  let shown; // the same, or the middle of the last map

  // --- what sees what

  // For each map the rows (or columns) that one of `numbers` in map `from` depends on, and, above
  // it, those that depend on it.
  function linked(from, numbers) {
    const found = [];
    found[from] = numbers;
    for (let map = from; map > 0; map--) {
      const real = found[map].filter((n) => n >= 0 && n < sizes[map]);
      found[map - 1] = [...new Set(real.flatMap((n) => cells.reads(n, layers[map - 1])))];
    }
    for (let map = from + 1; map < sizes.length; map++) {
      found[map] = cells
        .range(0, sizes[map])
        .filter((n) => cells.reads(n, layers[map - 1]).some((below) => found[map - 1].includes(below)));
    }
    return found;
  }

  const field = (map) =>
    cells.receptive_field(layers.slice(0, map).map((l) => [l.kernel_size, l.stride, l.dilation]));

  // The first row (or column) of the image in the field of number n of a map.
  const fieldStart = (map, n) =>
    layers.slice(0, map).reduceRight((start, { stride, padding }) => start * stride - padding, n);

  const middle = (map) => AXES.map(() => Math.floor((sizes[map] - 1) / 2));

  // --- controls

  const sizeSlider = demos.slider("image size", { min: 8, max: 32, value: size }, (number) => {
    size = number;
    update();
  });
  const stacks = demos.select("layers", ["your own", ...Object.keys(STACKS)], "LeNet", (name) => {
    if (STACKS[name]) rebuild(STACKS[name]());
  });
  const add = (text, layer) =>
    demos.button(text, () => layers.length < MOST && rebuild([...layers, layer()], "your own"));
  const adders = [
    add("+ convolution", () => convolution(3, { padding: 1 })),
    add("+ pooling", () => pooling(2)),
  ];
  const rows = element("div", { class: "demo-layers" });

  function layerRow(layer, i) {
    const names = Object.keys(CHOICES).filter((name) => layer.kind === "convolution" || name !== "dilation");
    const selects = names.map((name) => {
      const { letter, least, most } = CHOICES[name];
      const numbers = cells.range(least, most + 1).map(String);
      const control = demos.select(letter, numbers, layer[name], (number) => {
        layer[name] = Number(number);
        stacks.set("your own");
        update();
      });
      control.input.setAttribute("aria-label", `${name.replace("_", " ")} of layer ${i + 1}`);
      return control;
    });
    const remove = demos.button(
      "✕",
      () => {
        rebuild(layers.filter((other) => other !== layer), "your own");
        adders[0].focus();
      },
      { "aria-label": `Remove layer ${i + 1}` },
    );
    const name = element("span", { class: "demo-name" }, `Layer ${i + 1}: ${layer.kind}`);
    return demos.row(name, ...selects, remove);
  }

  // --- maps

  const place = element("div", { class: "demo-grids demo-chain" });
  let maps = [];

  function mapGrid(map) {
    const grid = cells.grid(map ? `Layer ${map}` : "Image", "Arrow keys choose a cell.");
    const choose = (at) => {
      chosen = { map, at: at.map((n) => cells.clamp(Math.floor(n), sizes[map])) };
      update();
    };
    cells.onDrag(grid.drawing, choose);
    grid.drawing.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") choose(cells.under(grid.drawing, event));
    });
    grid.drawing.addEventListener("keydown", (event) => {
      if (demos.isBrowsers(event)) return;
      const step = demos.ARROWS[event.key];
      if (!step) return;
      event.preventDefault();
      const from = shown.map === map ? shown.at : middle(map);
      choose(from.map((n, axis) => n + step[axis]));
    });
    return grid;
  }

  function drawMap(grid, map, seen) {
    const around = AXES.map(() => layers[map]?.padding ?? 0);
    const kind = map < shown.map ? "window" : map > shown.map ? "reached" : "chosen";
    const [rows, columns] = seen.map((numbers) => numbers[map]);
    const title = `${map ? `Layer ${map}` : "Image"}\n${sizes[map]} × ${sizes[map]}`;
    const sees = map ? `each sees ${field(map)}×${field(map)}` : "\u00a0";
    grid.draw([sizes[map], sizes[map]], around, [{ kind, rows, columns }], `${title}\n${sees}`);
  }

  // --- words and formula

  const refusal = element("p", { class: "demo-refusal", role: "alert" });
  const sentence = demos.live();
  const formula = element("div", { class: "demo-formula" });

  function describe(seen) {
    const { map, at } = shown;
    const cell = `Cell (${at.join(", ")}) of ${map ? `layer ${map}` : "the image"}`;
    const square = (numbers) => numbers.map((list) => list.length).join(" × ");
    const last = sizes.length - 1;
    const above = seen.map((numbers) => numbers[last]);
    const reached = map < last ? ` ${square(above)} cells of layer ${last} see it.` : "";
    if (!map) return `${cell}.${reached}`;
    const r = field(map);
    const isPixel = (n) => n >= 0 && n < size;
    const pixels = seen.map((numbers) => numbers[0].filter(isPixel));
    const inside = at.map((n) => cells.range(0, r).filter((i) => isPixel(fieldStart(map, n) + i)));
    const product = (lists) => lists.reduce((all, list) => all * list.length, 1);
    const others = [
      [r * r - product(inside), "outside the image"],
      [product(inside) - product(pixels), "on pixels that the cell does not see"],
    ].filter(([count]) => count);
    const rest = others.map(([count, where]) => ` ${count} cells of the field lie ${where}.`).join("");
    return `${cell} has a receptive field of ${r} × ${r} and sees ${product(pixels)} pixels.${rest}${reached}`;
  }

  function typeset() {
    let width = 1; // pixels from one cell of this layer to the next
    const terms = layers.slice(0, sizes.length - 1).map(({ kernel_size, stride, dilation }) => {
      const term = `${dilation * (kernel_size - 1)} · ${width}`;
      width *= stride;
      return term;
    });
    const text = ` = 1${terms.map((term) => ` + ${term}`).join("")} = `;
    const r = `${field(sizes.length - 1)}`;
    formula.replaceChildren(
      element(
        "div",
        { role: "math", "aria-label": `r${text}${r}` },
        ...[element("i", {}, "r"), text, element("span", { class: "demo-result" }, r)],
      ),
    );
  }

  // What a layer makes of a map. A pooling is tried out, because it also refuses too much padding.
  function sizeBehind({ kind, kernel_size, stride, padding, dilation }, from) {
    if (kind === "convolution") return cnn.conv_output_size(from, kernel_size, stride, padding, dilation);
    return cnn.max_pool2d(cnn.tensor([1, 1, from, from]), kernel_size, { stride, padding }).shape[3];
  }

  // --- all of it, after each change

  function rebuild(stack, name) {
    layers = stack;
    chosen = null;
    if (name) stacks.set(name);
    rows.replaceChildren(...layers.map(layerRow));
    maps = [size, ...layers].map((_, map) => mapGrid(map));
    place.replaceChildren(...maps.map((grid) => grid.element));
    // Not disabled, for then the keyboard would lose its place.
    for (const button of adders) button.setAttribute("aria-disabled", layers.length >= MOST);
    update();
  }

  function update() {
    sizes = [size];
    refusal.textContent = "";
    try {
      for (const layer of layers) sizes.push(sizeBehind(layer, sizes.at(-1)));
    } catch (error) {
      refusal.textContent = `Layer ${sizes.length}: ${error.message}.`;
    }
    const last = sizes.length - 1;
    if (chosen && (chosen.map > last || chosen.at.some((n) => n >= sizes[chosen.map]))) chosen = null;
    shown = chosen ?? { map: last, at: middle(last) };
    const seen = shown.at.map((n) => linked(shown.map, [n]));
    maps.forEach((grid, map) => {
      grid.element.hidden = map > last;
      if (map <= last) drawMap(grid, map, seen);
    });
    cells.arrange(place, maps);
    sentence.textContent = describe(seen);
    typeset();
  }

  box.append(
    demos.row(stacks, sizeSlider),
    element("div", { class: "demo-hint" }, "K kernel, S stride, P padding, D dilation"),
    rows,
    demos.row(...adders),
    refusal,
    element(
      "div",
      { class: "demo-hint" },
      "Point at a cell, drag over a map with your finger, or use the arrow keys.",
    ),
    place,
    sentence,
    formula,
    element("div", { class: "demo-hint" }, "Each layer adds D(K − 1), times the strides of all layers before it."),
  );
  rebuild(layers);
});
