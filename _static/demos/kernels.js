// One kernel on one picture, window by window: picture, kernel and map, and for the framed window
// each product and their sum, as in the figures of the chapter on convolution.
(() => {
  const { element, row } = demos;
  const { KERNELS, range, sum, strongest, clamp, text, four, photograph, gray } = sliding;
  const { block, Layer, View, steer, frame, title, column } = sliding;
  const OWN = "your own";
  const HINT = "Move the window with mouse, finger or arrow keys, and change the kernel’s numbers.";
  const LARGEST = 999; // of a kernel's numbers, which must fit into their cells
  const DRAWING_HINT =
    "Draw with the mouse, a finger, or the space bar after the arrow keys have moved the window.";

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
      this.node = element("div", { class: "sliding-numbers", role: "group", "aria-label": name });
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

  const after = (sign, part) => {
    const written = element("span", { "aria-hidden": "true" }, sign);
    return element("div", { class: "sliding-term" }, written, part);
  };

  function kernels(box) {
    const presets = { ...KERNELS };
    const learned = demos.decode(demo_data.kernels.weight);
    for (const o of range(6)) presets[`LeNet, filter ${o}`] = learned.subarray(25 * o, 25 * o + 25);
    const drawing = cnn.tensor([1, 1, 28, 28]);
    const pictures = {
      "a 4": four(),
      "ink on paper": cnn.each(four(), (pixel) => 1 - pixel),
      "a photograph": gray(photograph()),
      "your drawing": drawing,
    };
    const layer = new Layer(pictures["a 4"], cnn.tensor([1, 1, 3, 3], KERNELS.vertical));
    layer.move([14, 17]); // the place of the picture

    const [picture, map] = [new View("picture"), new View("map")];
    const hint = element("p");
    const [pictureTitle, mapTitle, kernelTitle] = [title(), title(), title()];
    const [pixels, products] = [new Numbers("window"), new Numbers("products")];
    const kernel = new Numbers("kernel", (i) =>
      element("input", {
        type: "number",
        step: "any",
        "aria-label": `kernel, row ${Math.floor(i / layer.K)}, column ${i % layer.K}`,
        input: ({ target }) => edit(i, clamp(target.valueAsNumber || 0, -LARGEST, LARGEST)),
        blur: () => update(),
      }),
    );
    const total = element("div", { class: "sliding-sum" });
    const invitation = element("span", { class: "demo-invitation", "aria-hidden": "true" }, "Draw here");
    picture.node.append(invitation);
    const live = demos.live();

    function update(changes) {
      Object.assign(layer, changes);
      layer.compute();
      const draws = layer.x === drawing;
      clear.hidden = !draws;
      invitation.hidden = !draws || drawing.data.some((pixel) => pixel > 0);
      hint.textContent = draws ? DRAWING_HINT : HINT;
      picture.node.classList.toggle("sliding-paper", draws);
      picture.drawChannel(layer, 0, [0, 1]);
      map.drawMap(layer, 0);
      const [weight, out] = [layer.kernel(0, 0), layer.map(0)];
      kernel.show(weight, "signed");
      chooseSize.set(layer.K);
      pictureTitle.textContent = `picture, ${layer.x.shape.slice(2).join("×")}`;
      kernelTitle.textContent = `kernel, adds up to ${text(sum(weight))}`;
      const span = [Math.min(...out), Math.max(...out)].map(text).join("\u00a0to\u00a0");
      mapTitle.textContent = `map, ${layer.places.join("×")}: ${span}`;
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
    const choices = [...Object.keys(presets), OWN];
    const chooseKernel = demos.select("kernel", choices, "vertical", (name) => {
      if (presets[name]) update({ weight: square(presets[name], Math.sqrt(presets[name].length)) });
    });
    // Kept, for when the reader comes back to it from another.
    function makeOwn() {
      presets[OWN] = layer.weight.data.slice();
      chooseKernel.set(OWN);
    }
    // A larger kernel gets a ring of zeros, a smaller one keeps the middle.
    const chooseSize = demos.select("size", { 3: "3×3", 5: "5×5" }, 3, (value) => {
      const K = Number(value);
      const start = (layer.K - K) / 2;
      update({ weight: square(block(layer.weight, 0, start, start, K, K), K) });
      makeOwn();
    });
    function edit(i, value) {
      layer.weight.data[i] = value;
      update();
      makeOwn();
    }

    // Mouse and finger draw; the space bar draws in the middle of the window.
    const clear = demos.button("Clear", () => {
      drawing.data.fill(0);
      update();
    });
    let pen = null;
    picture.onPoint((point, event) => {
      if (layer.x !== drawing || !event.isPrimary) return;
      if (event.type === "pointerdown") picture.node.setPointerCapture(event.pointerId);
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
      hint,
      row(choosePicture, clear, chooseKernel, chooseSize),
      row(
        demos.slider("stride", { min: 1, max: 4, value: 1 }, (stride) => update({ stride })),
        demos.slider("padding", { max: 2, value: 0 }, (padding) => update({ padding })),
      ),
      element(
        "div",
        { class: "sliding-pair" },
        column(picture.node, pictureTitle),
        column(map.node, mapTitle),
      ),
      live,
      row(
        column(pixels.node, title("window")),
        after("×", column(kernel.node, kernelTitle)),
        after("=", column(products.node, title("products"))),
        after("→", column(total, title("their sum"))),
      ),
    );
    update();
  }

  demos.register("kernels", kernels);
})();
