// What happens between a drawing and LeNet's answer: the drawing's preparation in four steps, the
// maps of every layer, and of one chosen unit what it saw, what it read, and its weights.
(() => {
  const { element } = demos;
  const SIZE = 28;

  // Each stage is computed from the one before it. `layer` is the number of its weights in PyTorch's
  // names; pooling has none. A window is [size, stride, padding]. Maps stand in rows of so many
  // `columns`, `narrow` on a phone, each number at most `zoom` pixels wide. The numbers of a fully
  // connected layer have no place; they stand in rows of `width`.
  const STAGES = [
    { key: "x" },
    { key: "conv1", title: "conv 1", layer: 0, window: [5, 1, 2], columns: 6, narrow: 3, zoom: 4 },
    { key: "pool1", title: "pool 1", window: [2, 2, 0], columns: 6, narrow: 6, zoom: 5 },
    { key: "conv2", title: "conv 2", layer: 3, window: [5, 1, 0], columns: 8, narrow: 8, zoom: 6 },
    { key: "pool2", title: "pool 2", window: [2, 2, 0], columns: 16, narrow: 8, zoom: 6 },
    { key: "linear1", title: "linear 1", layer: 7, width: 30, zoom: 12 },
    { key: "linear2", title: "linear 2", layer: 9, width: 28, zoom: 12 },
    { key: "scores", title: "linear 3, the scores", layer: 11, width: 10, zoom: 24 },
  ].map((stage, number) => ({ columns: 1, narrow: 1, ...stage, number }));
  const hasRelu = ({ key, layer }) => layer !== undefined && key !== "scores";

  // --- maps: { C, H, W, data }

  function mapsOf(stage, { shape, data }) {
    if (stage.width) return { C: 1, H: data.length / stage.width, W: stage.width, data };
    return { C: shape[1], H: shape[2], W: shape[3], data };
  }

  // A part of some maps, with zeros where it hangs over the edge.
  function cut({ H, W, data }, chosen, { top, left, height, width }) {
    const part = new Float32Array(chosen.length * height * width);
    let i = 0;
    for (const map of chosen)
      for (let h = top; h < top + height; h++)
        for (let w = left; w < left + width; w++, i++)
          if (h >= 0 && h < H && w >= 0 && w < W) part[i] = data[(map * H + h) * W + w];
    return { C: chosen.length, H: height, W: width, data: part };
  }

  const highest = (data) => data.reduce((most, value) => Math.max(most, value), 0) || 1;

  // --- units: { number, map, row, column }, the first of them the number of the stage

  // What a part of a stage's maps is computed from, in the stage before.
  function origin([size, stride, padding], { top, left, height, width }) {
    const first = (at) => at * stride - padding;
    const span = (count) => (count - 1) * stride + size;
    return { top: first(top), left: first(left), height: span(height), width: span(width) };
  }

  const itself = ({ row, column }) => ({ top: row, left: column, height: 1, width: 1 });

  // The part of the picture on which the unit depends, its receptive field.
  function field(unit) {
    let part = itself(unit);
    for (const { window } of STAGES.slice(1, unit.number + 1).reverse()) {
      if (!window) return { top: 0, left: 0, height: SIZE, width: SIZE };
      part = origin(window, part);
    }
    return part;
  }

  // The numbers that the unit reads; its weights and their products; the sum of these and its bias.
  function inside(stages, unit) {
    const { window, layer } = STAGES[unit.number];
    const source = STAGES[unit.number - 1];
    const maps = mapsOf(source, stages[source.key]);
    const all = Array.from({ length: maps.C }, (_, map) => map);
    const read = window
      ? cut(maps, layer === undefined ? [unit.map] : all, origin(window, itself(unit)))
      : maps;
    if (layer === undefined) return { read };

    const filter = window ? unit.map : unit.row * STAGES[unit.number].width + unit.column;
    const count = read.data.length;
    const rows = digit.weights[`${layer}.weight`].data;
    const weight = { ...read, data: rows.subarray(filter * count, (filter + 1) * count) };
    const product = { ...read, data: read.data.map((value, i) => value * weight.data[i]) };
    const sum = product.data.reduce((total, value) => total + value, 0);
    return { read, weight, product, sum, bias: digit.weights[`${layer}.bias`].data[filter] };
  }

  // --- words

  const decimal = (value) => demos.decimal(value, 2);
  const range = (from, count, limit) =>
    `${Math.max(from, 0)} to ${Math.min(from + count, limit) - 1}`;

  function nameOf({ number, map, row, column }) {
    const { title, window, width } = STAGES[number];
    if (window) return `${title}, map ${map}, row ${row}, column ${column}`;
    return number === STAGES.length - 1
      ? `the score of ${column}`
      : `${title}, number ${row * width + column}`;
  }

  function sees(unit) {
    const { top, left, height, width } = field(unit);
    if (height >= SIZE && width >= SIZE) return "the whole picture";
    return `rows ${range(top, height, SIZE)} and columns ${range(left, width, SIZE)} of the picture`;
  }

  function describe(unit, value, { read, weight, sum, bias }) {
    const name = nameOf(unit);
    const start = `${name[0].toUpperCase()}${name.slice(1)} sees ${sees(unit)}.`;
    if (!weight) return `${start} It is ${decimal(value)}, the largest of four numbers.`;
    const products = `${read.data.length} products sum to ${decimal(sum)}`;
    const total = `${start} ${products}, the bias adds ${decimal(bias)}`;
    if (hasRelu(STAGES[unit.number]) && value <= 0) return `${total}, and ReLU makes it 0.`;
    const cents = (number) => Math.round(100 * number);
    const adds_up = cents(sum) + cents(bias) === cents(value);
    return `${total}: ${adds_up ? "" : "about "}${decimal(value)}.`;
  }

  // --- the page

  // Maps side by side, each on a canvas of one pixel a number.
  class Maps {
    constructor(attributes) {
      this.box = element("div", { class: "layers-maps", ...attributes });
    }

    show({ C, H, W, data }, scale, limits) {
      while (this.box.children.length > C) this.box.lastChild.remove();
      while (this.box.children.length < C)
        this.box.append(element("div", { class: "layers-map" }, element("canvas")));
      [...this.box.children].forEach(({ firstChild: canvas }, map) =>
        demos.drawPixels(canvas, data.subarray(map * H * W, (map + 1) * H * W), H, W, scale, limits),
      );
    }
  }

  function frame(element, part, { H, W }) {
    const sizes = { left: part.left / W, top: part.top / H, width: part.width / W, height: part.height / H };
    for (const [side, share] of Object.entries(sizes)) element.style[side] = `${100 * share}%`;
  }

  function captioned(maps, caption = "") {
    const text = element("p", {}, caption);
    return Object.assign(element("div", { class: "layers-figure" }, maps.box, text), { maps, text });
  }

  // The four steps from the drawing to what the network is given.
  class Steps {
    constructor() {
      this.figures = [0, 1, 2, 3].map(() => captioned(new Maps()));
      this.mark = element("div", { class: "layers-mark" });
      this.box = element("div", { class: "layers-steps" }, ...this.figures);
    }

    show({ box, cropped, scaled, centered, normalized }, part) {
      const black = -demo_data.lenet.mean / demo_data.lenet.std;
      const white = black + 1 / demo_data.lenet.std;
      this.step(0, cropped, `1. Crop to the ink: ${box.height}×${box.width}`);
      this.step(1, scaled, `2. Scale: ${scaled.shape.join("×")}`);
      this.step(2, centered, "3. Center the mass: 28×28");
      this.step(3, normalized, `4. Normalize: ${decimal(black)} to ${decimal(white)}`, "signed");
      this.figures[2].maps.box.firstChild.append(this.mark);
      frame(this.mark, part, { H: SIZE, W: SIZE });
    }

    step(i, { shape: [H, W], data }, caption, scale = "gray") {
      const { maps, text } = this.figures[i];
      maps.show({ C: 1, H, W, data }, scale, scale === "gray" ? [0, 1] : null);
      maps.box.style.setProperty("--width", W / Math.max(H, W));
      text.textContent = caption;
    }
  }

  // The maps of one layer. A tap or an arrow key chooses a unit: choose({ number, map, row, column }).
  class Stage {
    constructor(stage, choose, move) {
      const { title, columns, narrow } = stage;
      this.stage = stage;
      this.maps = new Maps({ tabindex: 0, role: "application" });
      this.maps.box.style.setProperty("--columns", columns);
      this.maps.box.style.setProperty("--narrow", narrow);
      const name = hasRelu(stage) ? `${title} + ReLU` : title;
      this.title = element("p", { class: "layers-title" }, `${name} `, element("span"));
      this.box = element("div", { class: "layers-stage" }, this.title, this.maps.box);
      this.maps.box.addEventListener("click", (event) => {
        const box = event.target.closest(".layers-map");
        if (box) choose({ number: stage.number, ...this.at(box, event) });
      });
      this.maps.box.addEventListener("keydown", (event) => {
        if (demos.isBrowsers(event) || !(event.key in demos.ARROWS)) return;
        event.preventDefault();
        move(stage, ...demos.ARROWS[event.key]);
      });
    }

    at(box, { clientX, clientY }) {
      const { left, top, width, height } = box.getBoundingClientRect();
      const place = (share, size) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
      const map = [...this.maps.box.children].indexOf(box);
      const row = place((clientY - top) / height, this.size.H);
      return { map, row, column: place((clientX - left) / width, this.size.W) };
    }

    show(stages) {
      this.size = mapsOf(this.stage, stages[this.stage.key]);
      const { C, H, W, data } = this.size;
      const { key, title, zoom, columns, width } = this.stage;
      this.title.lastChild.textContent = width ? `${data.length} numbers` : `${C}×${H}×${W}`;
      this.maps.box.style.maxWidth = `${zoom * columns * W}px`;
      const signed = key === "scores";
      this.maps.show(this.size, signed ? "signed" : "gray", signed ? null : [0, highest(data)]);
      const size = this.title.lastChild.textContent;
      this.maps.box.setAttribute("aria-label", `${title}: ${size}. Arrow keys choose a unit.`);
    }
  }

  // What the chosen unit saw, read and used, and four buttons that go to its neighbors.
  class Inspector {
    constructor(move) {
      const names = ["It saw", "It reads", "× its weights", "= products"];
      const arrow = (sign, name, ...step) =>
        demos.button(sign, () => move(null, ...step), { "aria-label": name });
      this.figures = names.map((name) => captioned(new Maps(), name));
      this.said = demos.live();
      this.say = digit.spoken(this.said);
      this.box = element(
        "section",
        { class: "layers-inspector", "aria-label": "The chosen unit" },
        this.said,
        element("div", { class: "layers-inside" }, ...this.figures),
        demos.row(
          arrow("←", "Unit to the left", 0, -1),
          arrow("↑", "Unit above", -1, 0),
          arrow("↓", "Unit below", 1, 0),
          arrow("→", "Unit to the right", 0, 1),
        ),
      );
    }

    show({ prepared, stages }, unit, value) {
      const parts = inside(stages, unit);
      const picture = { C: 1, H: SIZE, W: SIZE, data: prepared.centered.data };
      const lowest = Math.min(...parts.read.data, 0);
      [
        [cut(picture, [0], field(unit)), "gray", [0, 1]],
        [parts.read, "gray", [lowest, highest(parts.read.data)]],
        [parts.weight, "signed"],
        [parts.product, "signed"],
      ].forEach(([maps, scale, limits], i) => {
        const figure = this.figures[i];
        figure.hidden = !maps;
        if (!maps) return;
        figure.maps.box.style.setProperty("--columns", Math.ceil(Math.sqrt(maps.C)));
        figure.maps.show(maps, scale, limits);
      });
      this.figures[1].text.textContent = `It reads ${STAGES[unit.number - 1].title ?? "the picture normalized"}`;
      this.say(describe(unit, value, parts));
    }
  }

  function mount(box) {
    let found = null;
    let unit = null;
    const choose = (chosen) => {
      unit = chosen;
      show();
    };
    const steps = new Steps();
    const stages = STAGES.slice(1).map((stage) => new Stage(stage, choose, move));
    const inspector = new Inspector(move);
    const mark = element("div", { class: "layers-mark" });
    const below = element(
      "div",
      { class: "layers" },
      element("p", {}, "The network is not given the drawing, but a picture like those of MNIST:"),
      steps.box,
      element("p", {}, "Tap a unit of any layer to see what it saw, and the weights that it used ",
        "(red positive, blue negative):"),
      element("div", {}, ...stages.map((stage) => stage.box), inspector.box),
    );

    const pad = digit.mount(box, (now) => {
      found = now;
      below.inert = !found;
      pad.mark(null);
      if (!found) return;
      unit ??= brightest(STAGES[1]);
      show();
    });
    box.append(below);

    function brightest(stage) {
      const { H, W, data } = mapsOf(stage, found.stages[stage.key]);
      const index = data.indexOf(Math.max(...data));
      const [map, place] = [Math.floor(index / (H * W)), index % (H * W)];
      return { number: stage.number, map, row: Math.floor(place / W), column: place % W };
    }

    // To a neighbor; over the left and the right edge to the next map. A key that is pressed on
    // another layer than the unit's chooses the brightest unit there.
    function move(stage, down, right) {
      if (stage && stage.number !== unit.number) return choose(brightest(stage));
      const { C, H, W } = stages[unit.number - 1].size;
      const row = Math.min(Math.max(unit.row + down, 0), H - 1);
      const map = unit.map + Math.floor((unit.column + right) / W);
      if (map >= 0 && map < C) choose({ ...unit, map, row, column: (unit.column + right + W) % W });
    }

    function show() {
      for (const stage of stages) stage.show(found.stages);
      const { size, maps } = stages[unit.number - 1];
      maps.box.children[unit.map].append(mark);
      frame(mark, itself(unit), size);
      const part = field(unit);
      steps.show(found.prepared, part);
      pad.mark(onPad(part, found.prepared));
      inspector.show(found, unit, size.data[(unit.map * size.H + unit.row) * size.W + unit.column]);
    }
  }

  // A part of the centered picture as a part of the drawing, in pixels of the pad.
  function onPad(part, { box, scaled, top, left }) {
    const [down, across] = [box.height / scaled.shape[0], box.width / scaled.shape[1]];
    return {
      top: box.top + (part.top - top) * down,
      left: box.left + (part.left - left) * across,
      height: part.height * down,
      width: part.width * across,
    };
  }

  demos.register("layers", mount);
})();
