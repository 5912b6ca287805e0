// A window that slides over pictures: what the demonstrations "kernels" and "filters" share.
const sliding = (() => {
  const { element } = demos;

  // The kernels of the chapter on convolution, row by row.
  const KERNELS = {
    vertical: [-1, 0, 1, -1, 0, 1, -1, 0, 1],
    horizontal: [-1, -1, -1, 0, 0, 0, 1, 1, 1],
    diagonal: [0, 1, 1, -1, 0, 1, -1, -1, 0],
    outline: [-1, -1, -1, -1, 8, -1, -1, -1, -1],
    blur: Array(9).fill(1 / 9),
    sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  };
  const LUMA = [0.299, 0.587, 0.114];

  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const strongest = (values) => Math.max(...values.map(Math.abs)) || 1;
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const rounded = (value) => Math.round(value * 100) / 100 || 0; // no -0
  const text = (value) => String(rounded(value)).replace("-", "−");

  // --- pictures, tensors (1, C, H, W) of numbers from 0 to 1

  function picture(name, shape) {
    const bytes = demos.decode(demo_data.kernels[name], Uint8Array);
    return cnn.tensor(shape, Float32Array.from(bytes, (byte) => byte / 255));
  }
  const four = () => picture("four", [1, 1, 28, 28]);
  const photograph = () => picture("photograph", [1, 3, 32, 32]);
  const gray = (x) => cnn.conv2d(x, cnn.tensor([1, 3, 1, 1], LUMA)); // a 1×1 kernel mixes channels

  // A block of one channel, row by row; outside of the picture is padding, and 0.
  function block({ shape: [, , H, W], data }, channel, top, left, height, width) {
    return range(height * width).map((i) => {
      const [h, w] = [top + Math.floor(i / width), left + (i % width)];
      return h >= 0 && h < H && w >= 0 && w < W ? data[(channel * H + h) * W + w] : 0;
    });
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
      this.border = element("span", { class: "sliding-border", hidden: true }); // of the padding
      this.frame = element("span", { class: "sliding-frame" });
      this.node = element("div", { class: "sliding-view" }, this.canvas, this.border, this.frame);
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

    const { node } = pictures[0];
    node.tabIndex = 0;
    node.setAttribute("role", "application");
    node.setAttribute("aria-label", "The window: the arrow keys move it");
    node.addEventListener("keydown", (event) => {
      if (demos.isBrowsers(event) || !(event.key in demos.ARROWS)) return;
      event.preventDefault();
      move(layer.place.map((p, axis) => p + demos.ARROWS[event.key][axis]));
    });
  }

  function frame(layer, pictures, maps) {
    for (const view of pictures) view.cover(view.frame, ...layer.corner, layer.K, layer.K);
    for (const view of maps) view.cover(view.frame, ...layer.place, 1, 1);
  }

  const title = (words = "") => element("span", { class: "sliding-title" }, words);
  const column = (...parts) => element("div", { class: "sliding-column" }, ...parts);

  return {
    KERNELS, LUMA, range, sum, strongest, clamp, rounded, text,
    four, photograph, gray, block, Layer, View, steer, frame, title, column,
  };
})();
