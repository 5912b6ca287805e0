// A convolutional network, in plain JavaScript: the functions that the demonstrations compute with,
// and their gradients. learning.js makes layers and optimizers of them.
//
// Names, arguments and shapes are those of lenet_course.scratch, and so of PyTorch. Arguments that
// Python would name stand in braces: cnn.conv2d(x, weight, bias, { stride: 2 }). Sizes along both
// axes of an image are a pair [H, W], or a number for both.
//
// A tensor is { shape: [N, C, H, W], data: Float32Array }; its last axis runs fastest. A function
// ..._backward takes first the gradient of the loss with respect to the output, and returns the
// gradient with respect to what went in. Tensors hold single precision: the sums of an output run in
// double and are then stored, those of a gradient add up where they are stored, in single.

"use strict";

const cnn = (() => {
  const count = (shape) => shape.reduce((product, size) => product * size, 1);
  const written = (shape) => `(${shape.join(", ")})`;

  // Zeros, or the numbers given: a typed array is used as it is, a list becomes float32.
  function tensor(shape, data = new Float32Array(count(shape))) {
    if (data.length !== count(shape)) {
      throw new Error(`${data.length} numbers do not fill the shape ${written(shape)}`);
    }
    return { shape, data: ArrayBuffer.isView(data) ? data : Float32Array.from(data) };
  }

  function require_shape(name, { shape }, expected) {
    if (written(shape) !== written(expected)) {
      throw new Error(`${name} has the shape ${written(shape)}, not ${written(expected)}`);
    }
  }

  // --- sizes (lenet_course.shapes)

  function pair(name, value, least = 1) {
    const values = Array.isArray(value) ? value : [value, value];
    if (values.length !== 2) {
      const entries = `${name}=${written(values)} has ${values.length} entries`;
      throw new Error(`${entries}; use one whole number or a pair (H, W)`);
    }
    for (const number of values) {
      if (!Number.isInteger(number)) throw new Error(`${name}=${number} is not a whole number`);
      if (number < least) throw new Error(`${name}=${number} is too small; use ${least} or more`);
    }
    return values;
  }

  // The places that a kernel has on an image, along one axis or, as soon as one argument is a
  // pair, along both.
  function conv_output_size(size, kernel_size, stride = 1, padding = 0, dilation = 1) {
    const sizes = pair("size", size);
    const kernels = pair("kernel_size", kernel_size);
    const strides = pair("stride", stride);
    const dilations = pair("dilation", dilation);
    const paddings = pair("padding", padding, 0);
    const outputs = [0, 1].map((a) =>
      places(sizes[a], kernels[a], strides[a], paddings[a], dilations[a]),
    );
    const any_pair = [size, kernel_size, stride, padding, dilation].some(Array.isArray);
    return any_pair ? outputs : outputs[0];
  }

  // O = floor((I + 2 · padding - dilation · (K - 1) - 1) / stride) + 1
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

  // --- windows, which convolution and pooling share

  // Convolution and pooling read the same way: from a padded copy of the batch, window by window.
  // Three lists of places in `padded` say where. Number k of window p is
  // padded[firsts[p] + offsets[k]], the windows in the order n, oh, ow and the C · KH · KW numbers
  // of each in the order c, kh, kw. Number i of x itself is padded[inside[i]].
  function windows(x, kernel_size, { stride = 1, padding = 0, dilation = 1 } = {}, fill = 0) {
    const [N, C, H, W] = x.shape;
    const [KH, KW] = pair("kernel_size", kernel_size);
    const [stride_h, stride_w] = pair("stride", stride);
    const [pad_h, pad_w] = pair("padding", padding, 0);
    const [dilation_h, dilation_w] = pair("dilation", dilation);
    const [OH, OW] = conv_output_size([H, W], kernel_size, stride, padding, dilation);
    const PH = H + 2 * pad_h;
    const PW = W + 2 * pad_w;

    const offsets = strided([C, KH, KW], [PH * PW, dilation_h * PW, dilation_w]);
    const firsts = strided([N, OH, OW], [C * PH * PW, stride_h * PW, stride_w]);
    const inside = strided([N * C, H, W], [PH * PW, PW, 1], pad_h * PW + pad_w);
    const padded = new Float32Array(N * C * PH * PW).fill(fill);
    inside.forEach((place, i) => (padded[place] = x.data[i]));
    return { padded, offsets, firsts, inside, OH, OW };
  }

  // Places in memory: a step of its own along each of three axes.
  function strided([A, B, C], [step_a, step_b, step_c], start = 0) {
    const places = new Int32Array(A * B * C);
    let i = 0;
    for (let a = 0; a < A; a++)
      for (let b = 0; b < B; b++)
        for (let c = 0; c < C; c++) places[i++] = start + a * step_a + b * step_b + c * step_c;
    return places;
  }

  // --- convolution

  // out[n, c_out, oh, ow] = bias[c_out] + Σ kernel · window
  function conv2d(x, weight, bias = null, options = {}) {
    const [N, C] = x.shape;
    const [C_out, , KH, KW] = weight.shape;
    require_shape("weight", weight, [C_out, C, KH, KW]);
    if (bias) require_shape("bias", bias, [C_out]);
    const { padded, offsets, firsts, OH, OW } = windows(x, [KH, KW], options);
    const K = offsets.length;
    const out = tensor([N, C_out, OH, OW]);
    let i = 0;
    for (let n = 0; n < N; n++)
      for (let c_out = 0; c_out < C_out; c_out++)
        for (let p = n * OH * OW; p < (n + 1) * OH * OW; p++) {
          let sum = bias ? bias.data[c_out] : 0;
          for (let k = 0; k < K; k++) {
            sum += weight.data[c_out * K + k] * padded[firsts[p] + offsets[k]];
          }
          out.data[i++] = sum;
        }
    return out;
  }

  // The same loops: where a weight met a number, each passes the output's gradient on, times what
  // the other was. A pixel adds up what it gets as part of all its windows.
  function conv2d_backward(grad_output, x, weight, options = {}) {
    const [C_out, , KH, KW] = weight.shape;
    const { padded, offsets, firsts, inside, OH, OW } = windows(x, [KH, KW], options);
    require_shape("grad_output", grad_output, [x.shape[0], C_out, OH, OW]);
    const K = offsets.length;
    const grad_padded = new Float32Array(padded.length);
    const grad_weight = tensor(weight.shape);
    const grad_bias = tensor([C_out]);
    let i = 0;
    for (let n = 0; n < x.shape[0]; n++)
      for (let c_out = 0; c_out < C_out; c_out++)
        for (let p = n * OH * OW; p < (n + 1) * OH * OW; p++) {
          const grad = grad_output.data[i++];
          if (grad === 0) continue; // most of them, below a max pooling
          grad_bias.data[c_out] += grad;
          for (let k = 0; k < K; k++) {
            const place = firsts[p] + offsets[k];
            grad_weight.data[c_out * K + k] += grad * padded[place];
            grad_padded[place] += grad * weight.data[c_out * K + k];
          }
        }
    const grad_x = tensor(x.shape, Float32Array.from(inside, (place) => grad_padded[place]));
    return { x: grad_x, weight: grad_weight, bias: grad_bias };
  }

  // --- pooling

  // Pooling looks at each channel alone, as if the batch were N · C images of one channel. `best`
  // says where the largest number of each window stands: the first of equals, or the last NaN.
  function largest(x, kernel_size, { stride = kernel_size, padding = 0 } = {}) {
    const [N, C, H, W] = x.shape;
    const kernels = pair("kernel_size", kernel_size);
    if (pair("padding", padding, 0).some((amount, axis) => 2 * amount > kernels[axis])) {
      throw new Error(`padding=${padding} is more than half of kernel_size=${kernel_size}`);
    }
    const maps = tensor([N * C, 1, H, W], x.data);
    const found = windows(maps, kernel_size, { stride, padding }, -Infinity);
    const { padded, offsets, firsts, inside, OH, OW } = found;
    const best = firsts.map((first) => {
      let best = first + offsets[0];
      for (const offset of offsets) {
        const value = padded[first + offset];
        if (value > padded[best] || Number.isNaN(value)) best = first + offset;
      }
      return best;
    });
    return { padded, inside, best, shape: [N, C, OH, OW] };
  }

  function max_pool2d(x, kernel_size, options) {
    const { padded, best, shape } = largest(x, kernel_size, options);
    return tensor(shape, Float32Array.from(best, (place) => padded[place]));
  }

  // The largest number of a window gets the gradient, the others could change and nothing would.
  function max_pool2d_backward(grad_output, x, kernel_size, options) {
    const { padded, inside, best, shape } = largest(x, kernel_size, options);
    require_shape("grad_output", grad_output, shape);
    const grad_padded = new Float32Array(padded.length);
    best.forEach((place, p) => (grad_padded[place] += grad_output.data[p]));
    return tensor(x.shape, Float32Array.from(inside, (place) => grad_padded[place]));
  }

  // --- fully connected

  // x · weightᵀ + bias, for x (N, in_features) and weight (out_features, in_features)
  function linear(x, weight, bias = null) {
    const [N, I] = x.shape;
    const [O] = weight.shape;
    require_shape("weight", weight, [O, I]);
    if (bias) require_shape("bias", bias, [O]);
    const out = tensor([N, O]);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++) {
        let sum = bias ? bias.data[o] : 0;
        for (let i = 0; i < I; i++) sum += x.data[n * I + i] * weight.data[o * I + i];
        out.data[n * O + o] = sum;
      }
    return out;
  }

  function linear_backward(grad_output, x, weight) {
    const [N, I] = x.shape;
    const [O] = weight.shape;
    require_shape("grad_output", grad_output, [N, O]);
    const grads = { x: tensor(x.shape), weight: tensor(weight.shape), bias: tensor([O]) };
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++) {
        const grad = grad_output.data[n * O + o];
        grads.bias.data[o] += grad;
        for (let i = 0; i < I; i++) {
          grads.weight.data[o * I + i] += grad * x.data[n * I + i];
          grads.x.data[n * I + i] += grad * weight.data[o * I + i];
        }
      }
    return grads;
  }

  // (N, C, H, W) to (N, C · H · W): the same numbers under another shape
  const flatten = ({ shape: [N, ...sizes], data }) => tensor([N, count(sizes)], data);
  const flatten_backward = (grad_output, x) => tensor(x.shape, grad_output.data);

  // --- activations, number by number

  const each = (x, f) => tensor(x.shape, x.data.map(f));

  const relu = (x) => each(x, (value) => Math.max(value, 0));
  const sigmoid = (x) => each(x, (value) => 1 / (1 + Math.exp(-value)));
  const tanh = (x) => each(x, Math.tanh);

  // The gradient times the slope, which follows from what went in (ReLU) or came out.
  function times_slope(grad_output, { shape, data }, slope) {
    require_shape("grad_output", grad_output, shape);
    return each(grad_output, (grad, i) => grad * slope(data[i]));
  }

  const relu_backward = (grad_output, x) => times_slope(grad_output, x, (v) => (v <= 0 ? 0 : 1));
  const sigmoid_backward = (grad_output, out) => times_slope(grad_output, out, (s) => s * (1 - s));
  const tanh_backward = (grad_output, out) => times_slope(grad_output, out, (t) => 1 - t * t);

  // --- scores (N, classes) and loss

  // log Σ e^score of each row. Without the largest score, which is added again, e^score would
  // overflow.
  function log_sum_exp({ shape: [N, classes], data }) {
    return Array.from({ length: N }, (_, n) => {
      const row = data.subarray(n * classes, (n + 1) * classes);
      const highest = Math.max(...row);
      return highest + Math.log(row.reduce((sum, score) => sum + Math.exp(score - highest), 0));
    });
  }

  // e^score, divided by the sum of all e^score of the row
  function softmax(logits) {
    const sums = log_sum_exp(logits);
    const row = (i) => Math.floor(i / logits.shape[1]);
    return each(logits, (score, i) => Math.exp(score - sums[row(i)]));
  }

  // The mean of -log of the probability that softmax gives to the right class
  function cross_entropy(logits, target) {
    const [N, classes] = logits.shape;
    const losses = log_sum_exp(logits).map((sum, n) => sum - logits.data[n * classes + target[n]]);
    return losses.reduce((sum, loss) => sum + loss, 0) / N;
  }

  // What softmax gave, minus what was right (1 for the right class, 0 for the others), over N
  function cross_entropy_backward(logits, target) {
    const [N, classes] = logits.shape;
    const out = softmax(logits);
    for (let n = 0; n < N; n++) out.data[n * classes + target[n]] -= 1;
    return each(out, (value) => value / N);
  }

  return {
    tensor, pair, each, conv_output_size,
    conv2d, max_pool2d, linear, flatten, relu, sigmoid, tanh, softmax, cross_entropy,
    conv2d_backward, max_pool2d_backward, linear_backward, flatten_backward,
    relu_backward, sigmoid_backward, tanh_backward, cross_entropy_backward,
  };
})();
