// A convolutional network that learns, in plain JavaScript: what the demonstrations compute with.
//
// Names, arguments and shapes are those of lenet_course.scratch (and so of PyTorch): functions
// first, then layers that remember what their backward pass needs, then the optimizers. Arguments
// that Python would name stand in braces: cnn.conv2d(x, weight, bias, { stride: 2 }). Sizes along
// both axes of an image are a pair [H, W], or a number for both.
//
// A tensor is { shape: [N, C, H, W], data: Float32Array }, the numbers in the order of memory: the
// last axis runs fastest. A function ..._backward takes the gradient of the loss with respect to
// the output, and returns the gradient with respect to what went in. Sums run in double precision.

"use strict";

const cnn = (() => {
  // --- tensors

  const count = (shape) => shape.reduce((product, size) => product * size, 1);

  // Zeros, or the numbers given: a typed array is used as it is, a list becomes float32.
  function tensor(shape, data = new Float32Array(count(shape))) {
    if (data.length !== count(shape)) {
      throw new Error(`${data.length} numbers do not fill the shape (${shape.join(", ")})`);
    }
    return { shape, data: ArrayBuffer.isView(data) ? data : Float32Array.from(data) };
  }

  // The numbers that a data file holds as text: new Type(bytes), little-endian.
  function decode(base64, Type = Float32Array) {
    return new Type(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
  }

  function require_shape(name, { shape }, expected) {
    if (shape.join() !== expected.join()) {
      throw new Error(`${name} has the shape (${shape.join(", ")}), not (${expected.join(", ")})`);
    }
  }

  // --- sizes (lenet_course.shapes)

  function whole_number(name, value, least = 1) {
    if (!Number.isInteger(value)) throw new Error(`${name}=${value} is not a whole number`);
    if (value < least) throw new Error(`${name}=${value} is too small; use ${least} or more`);
    return value;
  }

  function pair(name, value, least = 1) {
    if (!Array.isArray(value)) value = [value, value];
    if (value.length !== 2) {
      throw new Error(
        `${name}=(${value.join(", ")}) has ${value.length} entries; ` +
          "use one whole number or a pair (H, W)",
      );
    }
    return value.map((entry) => whole_number(name, entry, least));
  }

  // The places that a kernel has on an image, along one axis or, as soon as one argument is a
  // pair, along both: floor((I + 2 · padding - dilation · (K - 1) - 1) / stride) + 1.
  function conv_output_size(size, kernel_size, stride = 1, padding = 0, dilation = 1) {
    const sizes = pair("size", size);
    const kernels = pair("kernel_size", kernel_size);
    const strides = pair("stride", stride);
    const dilations = pair("dilation", dilation);
    const paddings = pair("padding", padding, 0);
    const outputs = sizes.map((_, axis) =>
      places(sizes[axis], kernels[axis], strides[axis], paddings[axis], dilations[axis]),
    );
    const any_pair = [size, kernel_size, stride, padding, dilation].some(Array.isArray);
    return any_pair ? outputs : outputs[0];
  }

  function places(size, kernel, stride, padding, dilation) {
    const span = dilation * (kernel - 1) + 1; // pixels from the kernel's first entry to its last
    const padded = size + 2 * padding;
    if (span > padded) {
      throw new Error(
        `a kernel of size ${kernel} with dilation ${dilation} spans ${span} pixels and does not ` +
          `fit on ${size} + ${padding} + ${padding} = ${padded}; use a smaller kernel or a ` +
          `padding of at least ${Math.ceil((span - size) / 2)}`,
      );
    }
    return Math.floor((padded - span) / stride) + 1;
  }

  // The input pixels that one output pixel of a stack of layers can depend on. A layer is
  // [kernel_size, stride] or [kernel_size, stride, dilation].
  function receptive_field(layers) {
    const field = [1, 1];
    const width = [1, 1]; // input pixels from one pixel of this layer to the next
    for (const [kernel_size, stride, dilation = 1] of layers) {
      const kernels = pair("kernel_size", kernel_size);
      const strides = pair("stride", stride);
      const dilations = pair("dilation", dilation);
      for (const axis of [0, 1]) {
        field[axis] += dilations[axis] * (kernels[axis] - 1) * width[axis];
        width[axis] *= strides[axis];
      }
    }
    return layers.flat().some(Array.isArray) ? field : field[0];
  }

  // --- windows, which convolution and pooling share

  // All windows of a batch. `padded` is the batch with its padding; `firsts` says where in
  // padded.data each window begins, for n, oh, ow in turn; `offsets` says how far from there its
  // C · KH · KW numbers stand. So number k of window p is padded.data[firsts[p] + offsets[k]].
  function windows(x, kernel_size, stride, padding, dilation = 1, fill = 0) {
    const [N, C, H, W] = x.shape;
    const [KH, KW] = pair("kernel_size", kernel_size);
    const [stride_h, stride_w] = pair("stride", stride);
    const [dilation_h, dilation_w] = pair("dilation", dilation);
    const [OH, OW] = conv_output_size([H, W], kernel_size, stride, padding, dilation);
    const padded = pad(x, padding, fill);
    const [, , PH, PW] = padded.shape;

    const offsets = new Int32Array(C * KH * KW);
    let k = 0;
    for (let c = 0; c < C; c++)
      for (let kh = 0; kh < KH; kh++)
        for (let kw = 0; kw < KW; kw++)
          offsets[k++] = (c * PH + kh * dilation_h) * PW + kw * dilation_w;

    const firsts = new Int32Array(N * OH * OW);
    let p = 0;
    for (let n = 0; n < N; n++)
      for (let oh = 0; oh < OH; oh++)
        for (let ow = 0; ow < OW; ow++)
          firsts[p++] = (n * C * PH + oh * stride_h) * PW + ow * stride_w;

    return { padded, firsts, offsets, OH, OW };
  }

  function pad(x, padding, fill = 0) {
    const [N, C, H, W] = x.shape;
    const [pad_h, pad_w] = pair("padding", padding, 0);
    const padded = tensor([N, C, H + 2 * pad_h, W + 2 * pad_w]);
    padded.data.fill(fill);
    copy_inside(x, padded, pad_h, pad_w, (from, to) =>
      padded.data.set(x.data.subarray(from, from + W), to),
    );
    return padded;
  }

  // The part of a padded tensor that is not padding.
  function unpad(padded, shape, padding) {
    const out = tensor(shape);
    const [pad_h, pad_w] = pair("padding", padding, 0);
    copy_inside(out, padded, pad_h, pad_w, (to, from) =>
      out.data.set(padded.data.subarray(from, from + shape[3]), to),
    );
    return out;
  }

  // For each row of x, where it begins in x.data and where in the padded data.
  function copy_inside(x, padded, pad_h, pad_w, copy) {
    const [N, C, H, W] = x.shape;
    const [, , PH, PW] = padded.shape;
    for (let map = 0; map < N * C; map++)
      for (let h = 0; h < H; h++) copy((map * H + h) * W, (map * PH + pad_h + h) * PW + pad_w);
  }

  // --- convolution

  // out[n, c_out, oh, ow] = bias[c_out] + the sum of window × kernel.
  function conv2d(x, weight, bias = null, { stride = 1, padding = 0, dilation = 1 } = {}) {
    const [C_out, C, KH, KW] = weight.shape;
    if (x.shape[1] !== C) throw new Error(`x has ${x.shape[1]} channels but weight expects ${C}`);
    if (bias) require_shape("bias", bias, [C_out]);
    const { padded, firsts, offsets, OH, OW } = windows(x, [KH, KW], stride, padding, dilation);
    const out = tensor([x.shape[0], C_out, OH, OW]);
    let i = 0;
    for (let n = 0; n < x.shape[0]; n++)
      for (let c_out = 0; c_out < C_out; c_out++)
        for (let p = n * OH * OW; p < (n + 1) * OH * OW; p++) {
          let sum = bias ? bias.data[c_out] : 0;
          for (let k = 0; k < offsets.length; k++)
            sum += weight.data[c_out * offsets.length + k] * padded.data[firsts[p] + offsets[k]];
          out.data[i++] = sum;
        }
    return out;
  }

  // --- pooling

  // Pooling treats each channel alone: as if the batch held N · C images of one channel.
  function pooling_windows(x, kernel_size, { stride = kernel_size, padding = 0 } = {}, fill = 0) {
    const [N, C, H, W] = x.shape;
    const kernels = pair("kernel_size", kernel_size);
    if (pair("padding", padding, 0).some((amount, axis) => 2 * amount > kernels[axis])) {
      throw new Error(`padding=${padding} is more than half of kernel_size=${kernel_size}`);
    }
    const maps = tensor([N * C, 1, H, W], x.data);
    const found = windows(maps, kernel_size, stride, padding, 1, fill);
    return { ...found, shape: [N, C, found.OH, found.OW] };
  }

  // Where in padded.data the largest number of a window stands: the first of equals, and as in
  // PyTorch the last NaN if there is one.
  function largest({ padded, offsets }, first) {
    let best = first + offsets[0];
    for (const offset of offsets) {
      const value = padded.data[first + offset];
      if (value > padded.data[best] || Number.isNaN(value)) best = first + offset;
    }
    return best;
  }

  function max_pool2d(x, kernel_size, options) {
    const found = pooling_windows(x, kernel_size, options, -Infinity);
    const out = tensor(found.shape);
    found.firsts.forEach((first, p) => (out.data[p] = found.padded.data[largest(found, first)]));
    return out;
  }

  function avg_pool2d(x, kernel_size, options) {
    const { padded, firsts, offsets, shape } = pooling_windows(x, kernel_size, options);
    const out = tensor(shape);
    firsts.forEach((first, p) => {
      let sum = 0;
      for (const offset of offsets) sum += padded.data[first + offset];
      out.data[p] = sum / offsets.length;
    });
    return out;
  }

  // --- fully connected

  // x · weightᵀ + bias, for x (N, in_features) and weight (out_features, in_features).
  function linear(x, weight, bias = null) {
    const [N, inputs] = x.shape;
    const [outputs] = weight.shape;
    require_shape("weight", weight, [outputs, inputs]);
    if (bias) require_shape("bias", bias, [outputs]);
    const out = tensor([N, outputs]);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < outputs; o++) {
        let sum = bias ? bias.data[o] : 0;
        for (let i = 0; i < inputs; i++)
          sum += x.data[n * inputs + i] * weight.data[o * inputs + i];
        out.data[n * outputs + o] = sum;
      }
    return out;
  }

  // (N, C, H, W) to (N, C · H · W): the same numbers under another shape.
  function flatten(x) {
    return tensor([x.shape[0], count(x.shape.slice(1))], x.data);
  }

  // --- activations, number by number

  const each = (x, f) => tensor(x.shape, x.data.map(f));

  const relu = (x) => each(x, (value) => Math.max(value, 0));
  const sigmoid = (x) => each(x, (value) => 1 / (1 + Math.exp(-value)));
  const tanh = (x) => each(x, Math.tanh);

  // --- scores and loss

  // Scores (N, classes) to probabilities. The largest score is subtracted first: that changes no
  // probability, and it keeps e^x from overflowing.
  function softmax(logits) {
    const [N, classes] = logits.shape;
    const out = tensor([N, classes]);
    for (let n = 0; n < N; n++) {
      const row = logits.data.subarray(n * classes, (n + 1) * classes);
      const highest = Math.max(...row);
      const powers = Array.from(row, (score) => Math.exp(score - highest));
      const total = powers.reduce((sum, power) => sum + power, 0);
      powers.forEach((power, c) => (out.data[n * classes + c] = power / total));
    }
    return out;
  }

  // The mean of -log of the probability that softmax gives to the right class.
  function cross_entropy(logits, target) {
    const [N, classes] = logits.shape;
    let loss = 0;
    for (let n = 0; n < N; n++) {
      const row = logits.data.subarray(n * classes, (n + 1) * classes);
      const highest = Math.max(...row);
      const total = row.reduce((sum, score) => sum + Math.exp(score - highest), 0);
      loss += Math.log(total) + highest - row[target[n]];
    }
    return loss / N;
  }

  return {
    tensor, decode, conv_output_size, receptive_field,
    conv2d, max_pool2d, avg_pool2d, linear, flatten,
    relu, sigmoid, tanh, softmax, cross_entropy,
  };
})();
