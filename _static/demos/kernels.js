// A kernel on a picture, one window at a time: picture, kernel and map, and for the framed window
// each product and their sum, as in the figures of the chapter on convolution. With
// data-shows="filters", a layer instead: several filters, each with a kernel for every channel.
(() => {
  const { element, row } = demos;

  const VERTICAL = [-1, 0, 1, -1, 0, 1, -1, 0, 1];
  const HORIZONTAL = [-1, -1, -1, 0, 0, 0, 1, 1, 1];
  const OUTLINE = [-1, -1, -1, -1, 8, -1, -1, -1, -1];
  const BLUR = Array(9).fill(1 / 9);
  const KERNELS = {
    vertical: VERTICAL,
    horizontal: HORIZONTAL,
    diagonal: [0, 1, 1, -1, 0, 1, -1, -1, 0],
    outline: OUTLINE,
    blur: BLUR,
    sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  };
  const OWN = "your own";
  const HINT =
    "Move the window with the mouse, a finger or the arrow keys, and change the kernel's numbers.";
  const FILTERS_HINT =
    "Move the window: each filter adds what its kernels find in all channels, and its bias.";
  const LUMA = [0.299, 0.587, 0.114];

  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const strongest = (values) => Math.max(...values.map(Math.abs)) || 1;
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const text = (value) => String(Math.round(value * 100) / 100 || 0).replace("-", "−");

  // --- pictures, tensors (1, C, H, W) of numbers from 0 to 1

  function picture(name, shape) {
    const bytes = cnn.decode(demo_data.kernels[name], Uint8Array);
    return cnn.tensor(shape, Float32Array.from(bytes, (byte) => byte / 255));
  }
  const four = () => picture("four", [1, 1, 28, 28]);
  const photograph = () => picture("photograph", [1, 3, 32, 32]);
  const gray = (x) => cnn.conv2d(x, cnn.tensor([1, 3, 1, 1], LUMA)); // a 1×1 kernel mixes channels
  const each = (x, change) => cnn.tensor(x.shape, x.data.map(change));

  // A block of one channel, row by row; outside of the picture is padding, and 0.
  function block({ shape: [, , H, W], data }, channel, top, left, height, width) {
    return range(height * width).map((i) => {
      const [h, w] = [top + Math.floor(i / width), left + (i % width)];
      return h >= 0 && h < H && w >= 0 && w < W ? data[(channel * H + h) * W + w] : 0;
    });
  }

  // A line of white ink, about as wide as the strokes of MNIST, from one [row, column] to another.
  function ink({ shape: [, , H, W], data }, from, to) {
    const steps = Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
    for (const step of range(steps + 1)) {
      const [h, w] = from.map((start, axis) => start + ((to[axis] - start) * step) / steps);
      for (const i of range(H * W)) {
        const distance = Math.hypot(Math.floor(i / W) + 0.5 - h, (i % W) + 0.5 - w);
        data[i] = Math.max(data[i], clamp(1.8 - distance, 0, 1));
      }
    }
  }

  // --- a layer, its maps, and the place of one window

  class Layer {
    constructor(x, weight, { bias = null, stride = 1, padding = 0 } = {}) {
      Object.assign(this, { x, weight, bias, stride, padding, place: [0, 0] });
      this.compute();
    }

    // After a change of any of these.
    compute() {
      this.out = cnn.conv2d(this.x, this.weight, this.bias, this);
      this.K = this.weight.shape[3];
      this.padded = this.x.shape.slice(2).map((size) => size + 2 * this.padding);
      this.places = this.out.shape.slice(2);
      this.move(this.place);
    }

    move(place) {
      this.place = place.map((p, axis) => clamp(p, 0, this.places[axis] - 1));
      this.corner = this.place.map((p) => p * this.stride); // of the window, in the padded picture
    }

    // Move to where a map has its largest number.
    seek(filter) {
      const map = this.map(filter);
      const best = map.indexOf(Math.max(...map));
      this.move([Math.floor(best / this.places[1]), best % this.places[1]]);
    }

    channel(c) {
      return block(this.x, c, -this.padding, -this.padding, ...this.padded);
    }

    map(filter) {
      return block(this.out, filter, 0, 0, ...this.places);
    }

    answer(filter) {
      return block(this.out, filter, ...this.place, 1, 1)[0];
    }

    window(c) {
      const [top, left] = this.corner.map((p) => p - this.padding);
      return block(this.x, c, top, left, this.K, this.K);
    }

    kernel(filter, c) {
      const first = (filter * this.weight.shape[1] + c) * this.K ** 2;
      return [...this.weight.data.subarray(first, first + this.K ** 2)];
    }

    products(filter, c) {
      const kernel = this.kernel(filter, c);
      return this.window(c).map((pixel, i) => pixel * kernel[i]);
    }
  }

  // --- what is seen

  // A picture or a map: a canvas with a cell for each number and a frame over the chosen ones.
  class View {
    constructor(name) {
      this.name = name;
      this.canvas = element("canvas", { role: "img", "aria-label": name });
      this.border = element("span", { class: "kernels-border", hidden: true }); // of the padding
      this.frame = element("span", { class: "kernels-frame" });
      this.node = element("div", { class: "kernels-view" }, this.canvas, this.border, this.frame);
    }

    drawChannel(layer, c, limits = null) {
      demos.drawPixels(this.canvas, layer.channel(c), ...layer.padded, "gray", limits);
      this.border.hidden = layer.padding === 0;
      const inside = layer.padded.map((size) => size - 2 * layer.padding);
      this.cover(this.border, layer.padding, layer.padding, ...inside);
    }

    drawColors({ x }) {
      const [, , H, W] = x.shape;
      const pixels = new ImageData(W, H);
      pixels.data.forEach((_, i) => {
        pixels.data[i] = i % 4 === 3 ? 255 : 255 * x.data[(i % 4) * H * W + Math.floor(i / 4)];
      });
      Object.assign(this.canvas, { width: W, height: H });
      this.canvas.getContext("2d").putImageData(pixels, 0, 0);
    }

    // In cells as large as those of the picture.
    drawMap(layer, filter) {
      demos.drawPixels(this.canvas, layer.map(filter), ...layer.places, "signed");
      this.node.style.width = `${(100 * layer.places[1]) / layer.padded[1]}%`;
    }

    cover(part, top, left, height, width) {
      const { width: W, height: H } = this.canvas;
      const shares = { top: top / H, left: left / W, height: height / H, width: width / W };
      for (const [side, share] of Object.entries(shares)) part.style[side] = `${100 * share}%`;
    }

    // listen([row, column], event) wherever a mouse hovers or a finger drags.
    onPoint(listen) {
      const tell = (event) => {
        const { left, top, width, height } = this.node.getBoundingClientRect();
        const down = ((event.clientY - top) / height) * this.canvas.height;
        listen([down, ((event.clientX - left) / width) * this.canvas.width], event);
      };
      this.node.addEventListener("pointerdown", tell);
      this.node.addEventListener("pointermove", tell);
    }
  }

  // The window follows mouse and finger on all of these views, and the arrow keys on the first.
  function steer(layer, pictures, maps, look) {
    const move = (place) => {
      layer.move(place);
      look();
    };
    for (const view of pictures)
      view.onPoint((point) => move(point.map((p) => Math.round((p - layer.K / 2) / layer.stride))));
    for (const view of maps) view.onPoint((point) => move(point.map(Math.floor)));

    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const { node } = pictures[0];
    node.tabIndex = 0;
    node.setAttribute("role", "application");
    node.setAttribute("aria-label", "The window: the arrow keys move it");
    node.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      move(layer.place.map((p, axis) => p + steps[event.key][axis]));
    });
  }

  function frame(layer, pictures, maps) {
    for (const view of pictures) view.cover(view.frame, ...layer.corner, layer.K, layer.K);
    for (const view of maps) view.cover(view.frame, ...layer.place, 1, 1);
  }

  // The color of a figure, from 0 to 1 on its scale, behind a number in the one of black and white
  // that reads better.
  function tint(cell, share, scale) {
    const color = demos.shade(share, scale);
    const light = sum(color.map((part, i) => [0.2126, 0.7152, 0.0722][i] * (part / 255) ** 2.2));
    cell.style.background = `rgb(${color.map(Math.round)})`;
    cell.style.color = light > 0.18 ? "black" : "white";
  }

  // K × K numbers in cells made by make(i): texts, or fields to edit.
  class Numbers {
    constructor(name, make = () => element("span")) {
      this.make = make;
      this.cells = [];
      this.node = element("div", { class: "kernels-numbers", role: "group", "aria-label": name });
    }

    show(values, scale) {
      if (this.cells.length !== values.length) {
        this.cells = values.map((_, i) => this.make(i));
        this.node.replaceChildren(...this.cells);
        this.node.style.setProperty("--columns", Math.sqrt(values.length));
      }
      const limit = strongest(values);
      this.cells.forEach((cell, i) => {
        tint(cell, scale === "gray" ? values[i] : (values[i] / limit + 1) / 2, scale);
        if (cell.tagName === "SPAN") cell.textContent = text(values[i]);
        else if (cell !== document.activeElement) cell.value = Math.round(100 * values[i]) / 100;
      });
    }
  }

  const title = (words = "") => element("span", { class: "kernels-title" }, words);
  const column = (...parts) => element("div", { class: "kernels-column" }, ...parts);
  const after = (sign, part) => {
    const written = element("span", { "aria-hidden": "true" }, sign);
    return element("div", { class: "kernels-term" }, written, part);
  };

  // --- one kernel on one channel

  function oneKernel(box) {
    const kernels = { ...KERNELS };
    const learned = cnn.decode(demo_data.kernels.weight);
    for (const o of range(6)) kernels[`LeNet, filter ${o}`] = learned.subarray(25 * o, 25 * o + 25);
    const drawing = cnn.tensor([1, 1, 28, 28]);
    const pictures = {
      "a 4": four(),
      "ink on paper": each(four(), (pixel) => 1 - pixel),
      "a photograph": gray(photograph()),
      "your drawing": drawing,
    };
    const layer = new Layer(pictures["a 4"], cnn.tensor([1, 1, 3, 3], VERTICAL));
    layer.seek(0);

    const [picture, map] = [new View("picture"), new View("map")];
    const [pictureTitle, mapTitle, kernelTitle] = [title(), title(), title()];
    const [pixels, products] = [new Numbers("window"), new Numbers("products")];
    const kernel = new Numbers("kernel", (i) =>
      element("input", {
        type: "number",
        step: "any",
        "aria-label": `kernel, row ${Math.floor(i / layer.K)}, column ${i % layer.K}`,
        input: (event) => edit(i, event.target.valueAsNumber || 0),
        blur: () => update(),
      }),
    );
    const total = element("output", { class: "kernels-sum" });
    const live = demos.live();

    function update(changes) {
      Object.assign(layer, changes);
      layer.compute();
      const draws = layer.x === drawing;
      clear.hidden = !draws;
      picture.node.classList.toggle("kernels-paper", draws);
      picture.drawChannel(layer, 0, [0, 1]);
      map.drawMap(layer, 0);
      const [weight, out] = [layer.kernel(0, 0), layer.map(0)];
      kernel.show(weight, "signed");
      chooseSize.set(layer.K);
      pictureTitle.textContent = `picture, ${layer.x.shape.slice(2).join("×")}`;
      kernelTitle.textContent = `kernel, adds up to ${text(sum(weight))}`;
      mapTitle.textContent =
        `map, ${layer.places.join("×")}: ${text(Math.min(...out))} to ${text(Math.max(...out))}`;
      look();
    }

    function look() {
      frame(layer, [picture], [map]);
      const answer = layer.answer(0);
      pixels.show(layer.window(0), "gray");
      products.show(layer.products(0, 0), "signed");
      total.textContent = text(answer);
      tint(total, (answer / strongest(layer.map(0)) + 1) / 2, "signed");
      const [row, column] = layer.place;
      live.textContent =
        `Row ${row}, column ${column} of the map: ` +
        `the ${layer.K ** 2} products add up to ${text(answer)}.`;
    }

    const choosePicture = demos.select("picture", Object.keys(pictures), "a 4", (name) =>
      update({ x: pictures[name] }),
    );
    const square = (values, K) => cnn.tensor([1, 1, K, K], Float32Array.from(values));
    const choices = [...Object.keys(kernels), OWN];
    const chooseKernel = demos.select("kernel", choices, "vertical", (name) => {
      if (name !== OWN) update({ weight: square(kernels[name], Math.sqrt(kernels[name].length)) });
    });
    // A larger kernel gets a ring of zeros, a smaller one keeps the middle.
    const chooseSize = demos.select("size", { 3: "3×3", 5: "5×5" }, 3, (value) => {
      const K = Number(value);
      const start = (layer.K - K) / 2;
      update({ weight: square(block(layer.weight, 0, start, start, K, K), K) });
      chooseKernel.set(OWN);
    });
    function edit(i, value) {
      layer.weight.data[i] = value;
      update();
      chooseKernel.set(OWN);
    }

    // Mouse and finger draw; the space bar draws in the middle of the window.
    const clear = demos.button("Clear", () => {
      drawing.data.fill(0);
      update();
    });
    let pen = null;
    picture.onPoint((point, event) => {
      if (layer.x !== drawing) return;
      const from = event.type === "pointermove" && pen;
      pen = event.buttons & 1 ? point.map((p) => p - layer.padding) : null;
      if (!pen) return;
      ink(drawing, from || pen, pen);
      update();
    });
    picture.node.addEventListener("keydown", (event) => {
      if (event.key !== " " || layer.x !== drawing) return;
      event.preventDefault();
      const middle = layer.corner.map((p) => p - layer.padding + layer.K / 2);
      ink(drawing, middle, middle);
      update();
    });
    steer(layer, [picture], [map], look);

    box.append(
      element("p", {}, HINT),
      row(choosePicture, clear, chooseKernel, chooseSize),
      row(
        demos.slider("stride", { min: 1, max: 4, value: 1 }, (stride) => update({ stride })),
        demos.slider("padding", { max: 2, value: 0 }, (padding) => update({ padding })),
      ),
      element(
        "div",
        { class: "kernels-pair" },
        column(picture.node, pictureTitle),
        column(map.node, mapTitle),
      ),
      row(
        column(pixels.node, title("window")),
        after("×", column(kernel.node, kernelTitle)),
        after("=", column(products.node, title("products"))),
        after("→", column(total, title("their sum"))),
      ),
      live,
    );
    update();
  }

  // --- several channels in, several maps out

  // weight (C_out, C, 3, 3), where each filter is one kernel times a factor for each channel.
  function weights(filters) {
    const numbers = filters.flatMap(([kernel, ...factors]) =>
      factors.flatMap((factor) => kernel.map((k) => factor * k)),
    );
    return cnn.tensor([filters.length, numbers.length / filters.length / 9, 3, 3], numbers);
  }

  const LAYERS = {
    "four filters for color": () => {
      const weight = weights([
        [VERTICAL, 1 / 3, 1 / 3, 1 / 3],
        [VERTICAL, 1, -1, 0],
        [BLUR, 1, -0.5, -0.5],
        [[0, 0, 0, 0, 1, 0, 0, 0, 0], ...LUMA],
      ]);
      const bias = cnn.tensor([4], [0, 0, -0.3, 0]);
      return {
        channels: ["red", "green", "blue"],
        filters: ["edges", "red against green", "red things", "gray"],
        layer: new Layer(photograph(), weight, { bias }),
      };
    },
    "four kernels on a 4": () => ({
      channels: ["a 4"],
      filters: ["vertical", "horizontal", "outline", "blur"],
      layer: new Layer(four(), weights([VERTICAL, HORIZONTAL, OUTLINE, BLUR].map((k) => [k, 1]))),
    }),
    "LeNet's first layer on a 4": () => {
      const { weight, bias, mean, std } = demo_data.kernels;
      return {
        channels: ["a 4"],
        filters: range(6).map((o) => `filter ${o}`),
        layer: new Layer(
          each(four(), (pixel) => (pixel - mean) / std), // as LeNet was trained
          cnn.tensor([6, 1, 5, 5], cnn.decode(weight)),
          { bias: cnn.tensor([6], cnn.decode(bias)), padding: 2 },
        ),
      };
    },
  };

  // "1.2 − 0.3 + 0 = 0.9", with breaks before the signs only.
  function addition(terms, total) {
    const others = terms.slice(1).map((term) => {
      const written = text(term);
      return written.startsWith("−") ? ` −\u00a0${written.slice(1)}` : ` +\u00a0${written}`;
    });
    return `${text(terms[0])}${others.join("")} =\u00a0${text(total)}`;
  }

  function manyKernels(box) {
    const place = element("div");
    const live = demos.live();
    const names = Object.keys(LAYERS);
    const show = (name) => place.replaceChildren(...views(LAYERS[name](), live));
    const choose = demos.select("layer", names, names[0], show);
    box.append(element("p", {}, FILTERS_HINT), row(choose), place, live);
    show(names[0]);
  }

  // The channels, and for each filter its kernels, its map and the sum at the window.
  function views({ channels, filters, layer }, live) {
    const [inputs, maps] = [channels, filters].map((names) => names.map((name) => new View(name)));
    inputs.forEach((view, c) => view.drawChannel(layer, c));
    maps.forEach((view, o) => view.drawMap(layer, o));
    const pictures = [...inputs];
    if (channels.length === 3) {
      pictures.unshift(new View("photograph"));
      pictures[0].drawColors(layer);
    }
    const sums = filters.map(() => title());

    function look() {
      frame(layer, pictures, maps);
      sums.forEach((node, o) => {
        const terms = channels.map((_, c) => sum(layer.products(o, c)));
        if (layer.bias) terms.push(layer.bias.data[o]);
        node.textContent = terms.length > 1 ? addition(terms, layer.answer(o)) : text(terms[0]);
      });
      const answers = filters.map((name, o) => `${name} ${text(layer.answer(o))}`);
      live.textContent = `Row ${layer.place[0]}, column ${layer.place[1]}: ${answers.join(", ")}.`;
    }

    function kernels(o) {
      const limit = strongest(channels.flatMap((_, c) => layer.kernel(o, c)));
      return channels.map((name, c) => {
        const numbers = layer.kernel(o, c);
        const label = `kernel for ${name}: ${numbers.map(text).join(" ")}`;
        const attributes = { class: "kernels-small", role: "img", "aria-label": label };
        const canvas = element("canvas", attributes);
        demos.drawPixels(canvas, numbers, layer.K, layer.K, "signed", [-limit, limit]);
        return canvas;
      });
    }

    layer.seek(1);
    steer(layer, pictures, maps, look);
    look();
    const grid = (cells) => element("div", { class: "kernels-grid" }, ...cells);
    return [
      grid(pictures.map((view) => column(view.node, title(view.name)))),
      grid(maps.map((view, o) => column(title(view.name), row(...kernels(o)), view.node, sums[o]))),
    ];
  }

  demos.register("kernels", (box) =>
    box.dataset.shows === "filters" ? manyKernels(box) : oneKernel(box),
  );
})();
