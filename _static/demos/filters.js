// A layer with several filters, each with a kernel for every channel: the channels, the kernels and
// the maps, and for the framed window what each filter adds up.
(() => {
  const { element, row } = demos;
  const { KERNELS, LUMA, range, sum, strongest, rounded, text, four, photograph } = sliding;
  const { Layer, View, steer, frame, title, column } = sliding;
  const { vertical, horizontal, outline, blur } = KERNELS;
  const HINT =
    "Move the window: each filter adds what its kernels find in all channels, and its bias.";

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
        [vertical, 1 / 3, 1 / 3, 1 / 3],
        [vertical, 1, -1, 0],
        [blur, 1, -0.5, -0.5],
        [[0, 0, 0, 0, 1, 0, 0, 0, 0], ...LUMA],
      ]);
      const bias = cnn.tensor([4], [0, 0, -0.3, 0]);
      return {
        channels: ["red", "green", "blue"],
        filters: ["edges", "red against green", "red things", "gray"],
        place: [23, 1], // that of the picture
        layer: new Layer(photograph(), weight, { bias }),
      };
    },
    "four kernels on a 4": () => ({
      channels: ["a 4"],
      filters: ["vertical", "horizontal", "outline", "blur"],
      layer: new Layer(four(), weights([vertical, horizontal, outline, blur].map((k) => [k, 1]))),
    }),
    "LeNet’s first layer on a 4": () => {
      const { weight, bias, mean, std } = demo_data.kernels;
      return {
        channels: ["a 4"],
        filters: range(6).map((o) => `filter ${o}`),
        layer: new Layer(
          cnn.each(four(), (pixel) => (pixel - mean) / std), // as LeNet was trained
          cnn.tensor([6, 1, 5, 5], demos.decode(weight)),
          { bias: cnn.tensor([6], demos.decode(bias)), padding: 2 },
        ),
      };
    },
  };

  // "1.2 − 0.3 + 0 = 0.9", with breaks before the signs only; "≈" where the rounded numbers do not
  // add up.
  function addition(terms, total) {
    const left = terms.reduce((added, term) => added + rounded(term), 0);
    const equals = rounded(left) === rounded(total) ? "=" : "≈";
    const others = terms.slice(1).map((term) => {
      const written = text(term);
      return written.startsWith("−") ? ` −\u00a0${written.slice(1)}` : ` +\u00a0${written}`;
    });
    return `${text(terms[0])}${others.join("")} ${equals}\u00a0${text(total)}`;
  }

  function filters(box) {
    const place = element("div");
    const live = demos.live();
    const names = Object.keys(LAYERS);
    const show = (name) => place.replaceChildren(...views(LAYERS[name](), live));
    const choose = demos.select("layer", names, names[0], show);
    box.append(element("p", {}, HINT), row(choose), place, live);
    show(names[0]);
  }

  // The channels, and for each filter its kernels, its map and the sum at the window.
  function views({ channels, filters, layer, place }, live) {
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
      const answers = filters.map((name, o) => `${name}: ${text(layer.answer(o))}`);
      live.textContent = `Row ${layer.place[0]}, column ${layer.place[1]}: ${answers.join(", ")}.`;
    }

    function kernels(o) {
      const limit = strongest(channels.flatMap((_, c) => layer.kernel(o, c)));
      return channels.map((name, c) => {
        const numbers = layer.kernel(o, c);
        const label = `kernel for ${name}: ${numbers.map(text).join(" ")}`;
        const attributes = { class: "sliding-small", role: "img", "aria-label": label };
        const canvas = element("canvas", attributes);
        demos.drawPixels(canvas, numbers, layer.K, layer.K, "signed", [-limit, limit]);
        return canvas;
      });
    }

    if (place) layer.move(place);
    else layer.seek(1);
    steer(layer, pictures, maps, look);
    look();
    const grid = (cells) => element("div", { class: "sliding-grid" }, ...cells);
    return [
      grid(pictures.map((view) => column(view.node, title(view.name)))),
      grid(maps.map((view, o) => column(title(view.name), row(...kernels(o)), view.node, sums[o]))),
    ];
  }

  demos.register("filters", filters);
})();
