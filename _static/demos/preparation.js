// A drawing becomes a picture like those of MNIST, whose makers treated each digit alike: cropped to
// its ink, scaled to fit 20 × 20, and placed in 28 × 28 with its center of mass at pixel (14, 14).
// A test digit, drawn ten times as large, comes out of it as it was, to the last pixel.
//
// A picture is a tensor of core.js of shape [H, W], with 0 for the background and 1 for full ink.
const preparation = (() => {
  const BOX = 20;
  const SIZE = 28;
  const CENTER = 14;

  // The smallest box around all ink, or null where there is none.
  function inkBox({ shape: [H, W], data }) {
    let [top, bottom, left, right] = [H, -1, W, -1];
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++)
        if (data[h * W + w] > 0) {
          top = Math.min(top, h);
          bottom = h;
          left = Math.min(left, w);
          right = Math.max(right, w);
        }
    return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
  }

  function crop({ shape: [, W], data }, { top, left, height, width }) {
    const cut = cnn.tensor([height, width]);
    for (let h = 0; h < height; h++) {
      const from = (top + h) * W + left;
      cut.data.set(data.subarray(from, from + width), h * width);
    }
    return cut;
  }

  // The longer side becomes 20 pixels, each the mean of the pixels that it covers.
  function scale({ shape: [H, W], data }) {
    const factor = BOX / Math.max(H, W);
    const [OH, OW] = [H, W].map((size) => Math.max(1, Math.round(size * factor)));
    const scaled = cnn.tensor([OH, OW]);
    for (let oh = 0; oh < OH; oh++)
      for (let ow = 0; ow < OW; ow++) {
        const [top, bottom] = covered(oh, H, OH);
        const [left, right] = covered(ow, W, OW);
        let sum = 0;
        for (let h = top; h < bottom; h++)
          for (let w = left; w < right; w++) sum += data[h * W + w];
        scaled.data[oh * OW + ow] = sum / ((bottom - top) * (right - left));
      }
    return scaled;
  }

  // The pixels under output pixel i, from the first to before the last (PyTorch's adaptive pooling).
  const covered = (i, size, outputs) => [
    Math.floor((i * size) / outputs),
    Math.ceil(((i + 1) * size) / outputs),
  ];

  // The mean row and the mean column, each pixel counted by its ink.
  function centerOfMass({ shape: [H, W], data }) {
    let [ink, rows, columns] = [0, 0, 0];
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++) {
        ink += data[h * W + w];
        rows += h * data[h * W + w];
        columns += w * data[h * W + w];
      }
    return [rows / ink, columns / ink];
  }

  // Where the picture's first pixel goes, so that its center of mass is at (14, 14) and no ink is lost.
  function corner(picture) {
    const mass = centerOfMass(picture);
    return picture.shape.map((size, axis) =>
      Math.min(Math.max(Math.floor(CENTER - mass[axis] + 0.5), 0), SIZE - size),
    );
  }

  function place({ shape: [H, W], data }, [top, left]) {
    const placed = cnn.tensor([SIZE, SIZE]);
    for (let h = 0; h < H; h++)
      placed.data.set(data.subarray(h * W, (h + 1) * W), (top + h) * SIZE + left);
    return placed;
  }

  function normalize({ shape, data }, mean, std) {
    return cnn.tensor(shape, data.map((value) => (value - mean) / std));
  }

  // All steps of a drawing, or null where nothing is drawn.
  function prepare(drawing, mean, std) {
    const box = inkBox(drawing);
    if (!box) return null;
    const cropped = crop(drawing, box);
    const scaled = scale(cropped);
    const [top, left] = corner(scaled);
    const centered = place(scaled, [top, left]);
    return { box, cropped, scaled, top, left, centered, normalized: normalize(centered, mean, std) };
  }

  return { centerOfMass, prepare };
})();
