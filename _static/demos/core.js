// A convolutional network that learns, in plain JavaScript: what the demonstrations compute with.
//
// Names, arguments and shapes are those of lenet_course.scratch, and so of PyTorch: functions and
// their gradients first, then layers, then optimizers. Arguments that Python would name stand in
// braces: cnn.conv2d(x, weight, bias, { stride: 2 }). Sizes along both axes of an image are a pair
// [H, W], or a number for both.
//
// A tensor is { shape: [N, C, H, W], data: Float32Array }; its last axis runs fastest. A function
// ..._backward takes first the gradient of the loss with respect to the output, and returns the
// gradient with respect to what went in. Sums run in double precision, results are stored in single.

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

  // The numbers that a data file holds as text.
  function decode(base64, Type = Float32Array) {
    return new Type(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
  }

  // The tensors of a state dict in a data file, by their keys, such as "0.weight".
  function decode_state(state) {
    const decoded = ([key, { shape, data }]) => [key, tensor(shape, decode(data))];
    return Object.fromEntries(Object.entries(state).map(decoded));
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

  // Convolution and pooling read the same way: from a padded copy of the batch, window by window.
  // Three lists of places in `padded` say where. Number k of window p is
  // padded[firsts[p] + offsets[k]], the windows in the order n, oh, ow and the C · KH · KW numbers
  // of each in the order c, kh, kw. Number i of x itself is padded[inside[i]].
  function windows(x, kernel_size, stride, padding, dilation, fill) {
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
  function conv2d(x, weight, bias = null, { stride = 1, padding = 0, dilation = 1 } = {}) {
    const [N, C] = x.shape;
    const [C_out, , KH, KW] = weight.shape;
    require_shape("weight", weight, [C_out, C, KH, KW]);
    if (bias) require_shape("bias", bias, [C_out]);
    const found = windows(x, [KH, KW], stride, padding, dilation, 0);
    const { padded, offsets, firsts, OH, OW } = found;
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
  function conv2d_backward(grad_output, x, weight, { stride = 1, padding = 0, dilation = 1 } = {}) {
    const [C_out, , KH, KW] = weight.shape;
    const found = windows(x, [KH, KW], stride, padding, dilation, 0);
    const { padded, offsets, firsts, inside, OH, OW } = found;
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

  // Pooling looks at each channel alone, as if the batch were N · C images of one channel.
  function pooling_windows(x, kernel_size, { stride = kernel_size, padding = 0 } = {}, fill) {
    const [N, C, H, W] = x.shape;
    const kernels = pair("kernel_size", kernel_size);
    if (pair("padding", padding, 0).some((amount, axis) => 2 * amount > kernels[axis])) {
      throw new Error(`padding=${padding} is more than half of kernel_size=${kernel_size}`);
    }
    const maps = tensor([N * C, 1, H, W], x.data);
    const found = windows(maps, kernel_size, stride, padding, 1, fill);
    return { ...found, shape: [N, C, found.OH, found.OW] };
  }

  // Where the largest number of each window stands: the first of equals, or the last NaN.
  function largest({ padded, offsets, firsts }) {
    return firsts.map((first) => {
      let best = first + offsets[0];
      for (const offset of offsets) {
        const value = padded[first + offset];
        if (value > padded[best] || Number.isNaN(value)) best = first + offset;
      }
      return best;
    });
  }

  function max_pool2d(x, kernel_size, options) {
    const found = pooling_windows(x, kernel_size, options, -Infinity);
    return tensor(found.shape, Float32Array.from(largest(found), (place) => found.padded[place]));
  }

  function avg_pool2d(x, kernel_size, options) {
    const { padded, offsets, firsts, shape } = pooling_windows(x, kernel_size, options, 0);
    const mean = (first) =>
      offsets.reduce((sum, offset) => sum + padded[first + offset], 0) / offsets.length;
    return tensor(shape, Float32Array.from(firsts, mean));
  }

  // The largest number of a window gets the gradient, the others could change and nothing would.
  function max_pool2d_backward(grad_output, x, kernel_size, options) {
    const found = pooling_windows(x, kernel_size, options, -Infinity);
    require_shape("grad_output", grad_output, found.shape);
    const grad_padded = new Float32Array(found.padded.length);
    largest(found).forEach((place, p) => (grad_padded[place] += grad_output.data[p]));
    return tensor(x.shape, Float32Array.from(found.inside, (place) => grad_padded[place]));
  }

  // All numbers of a window get the same share.
  function avg_pool2d_backward(grad_output, x, kernel_size, options) {
    const found = pooling_windows(x, kernel_size, options, 0);
    require_shape("grad_output", grad_output, found.shape);
    const grad_padded = new Float32Array(found.padded.length);
    found.firsts.forEach((first, p) => {
      const share = grad_output.data[p] / found.offsets.length;
      for (const offset of found.offsets) grad_padded[first + offset] += share;
    });
    return tensor(x.shape, Float32Array.from(found.inside, (place) => grad_padded[place]));
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
  function flatten(x) {
    return tensor([x.shape[0], count(x.shape.slice(1))], x.data);
  }

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

  // --- layers (lenet_course.scratch.nn)

  // Even random numbers from 0 up to 1, the same for the same seed: mulberry32 by Tommy Ettinger.
  function generator(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let bits = Math.imul(seed ^ (seed >>> 15), seed | 1);
      bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
      return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  // A layer is a function, its backward function, and what went in last.
  class Layer {
    constructor(...settings) {
      this.settings = settings;
    }

    forward(x) {
      this.kept = x;
      return this.functions[0](x, ...this.settings);
    }

    backward(grad_output) {
      return this.functions[1](grad_output, this.kept, ...this.settings);
    }

    parameters() {
      return [];
    }
  }

  class ReLU extends Layer {
    functions = [relu, relu_backward];
  }

  class MaxPool2d extends Layer {
    functions = [max_pool2d, max_pool2d_backward];
  }

  class Flatten extends Layer {
    functions = [flatten, (grad_output, x) => tensor(x.shape, grad_output.data)];
  }

  // A layer with parameters: tensors with a `grad`, a list of as many numbers that every backward
  // pass adds to. First weights are even between ±1/√(inputs of one output), as in PyTorch.
  class Weighted extends Layer {
    constructor(shape, { generator = Math.random, ...options }) {
      super(options);
      const bound = 1 / Math.sqrt(count(shape.slice(1)));
      const draw = () => bound * (2 * generator() - 1);
      this.weight = { ...each(tensor(shape), draw), grad: null };
      this.bias = { ...each(tensor(shape.slice(0, 1)), draw), grad: null };
    }

    forward(x) {
      this.kept = x;
      return this.functions[0](x, this.weight, this.bias, ...this.settings);
    }

    backward(grad_output) {
      const grads = this.functions[1](grad_output, this.kept, this.weight, ...this.settings);
      for (const name of ["weight", "bias"]) {
        const sum = this[name].grad;
        this[name].grad = sum ? sum.map((grad, i) => grad + grads[name].data[i]) : grads[name].data;
      }
      return grads.x;
    }

    parameters() {
      return [this.weight, this.bias];
    }
  }

  class Conv2d extends Weighted {
    functions = [conv2d, conv2d_backward];

    constructor(in_channels, out_channels, kernel_size, options = {}) {
      super([out_channels, in_channels, ...pair("kernel_size", kernel_size)], options);
    }
  }

  class Linear extends Weighted {
    functions = [linear, linear_backward];

    constructor(in_features, out_features, options = {}) {
      super([out_features, in_features], options);
    }
  }

  class Sequential {
    constructor(...layers) {
      this.layers = layers;
    }

    forward(x) {
      return this.layers.reduce((out, layer) => layer.forward(out), x);
    }

    backward(grad_output) {
      return this.layers.reduceRight((grad, layer) => layer.backward(grad), grad_output);
    }

    parameters() {
      return this.layers.flatMap((layer) => layer.parameters());
    }

    // Copy tensors into the parameters; their keys are PyTorch's, such as "0.weight".
    load_state_dict(state) {
      this.layers.forEach((layer, i) => {
        if (!layer.parameters().length) return;
        for (const name of ["weight", "bias"]) {
          require_shape(`${i}.${name}`, state[`${i}.${name}`], layer[name].shape);
          layer[name].data.set(state[`${i}.${name}`].data);
        }
      });
    }
  }

  // --- optimizers (lenet_course.scratch.optim)

  // An optimizer subtracts lr times a direction from every number of its parameters, which are
  // objects { data, grad }: those of a network, or any two lists of numbers. What it remembers of
  // earlier gradients stands in `state`, number by number.
  class Optimizer {
    constructor(parameters, settings) {
      Object.assign(this, { parameters }, settings);
      this.state = parameters.map(({ data }) => ({
        steps: 0,
        velocity: new Float64Array(data.length),
        squares: new Float64Array(data.length),
      }));
    }

    step() {
      this.parameters.forEach(({ data, grad }, p) => {
        if (!grad) return;
        this.state[p].steps += 1;
        for (let i = 0; i < data.length; i++) {
          data[i] -= this.lr * this.direction(grad[i], this.state[p], i);
        }
      });
    }

    zero_grad() {
      for (const parameter of this.parameters) parameter.grad = null;
    }
  }

  class SGD extends Optimizer {
    constructor(parameters, { lr = 1e-3, momentum = 0, nesterov = false } = {}) {
      super(parameters, { lr, momentum, nesterov });
    }

    direction(grad, { velocity }, i) {
      velocity[i] = this.momentum * velocity[i] + grad;
      return this.nesterov ? grad + this.momentum * velocity[i] : velocity[i];
    }
  }

  class Adagrad extends Optimizer {
    constructor(parameters, { lr = 1e-2, eps = 1e-10 } = {}) {
      super(parameters, { lr, eps });
    }

    direction(grad, { squares }, i) {
      squares[i] += grad ** 2;
      return grad / (Math.sqrt(squares[i]) + this.eps);
    }
  }

  class RMSprop extends Optimizer {
    constructor(parameters, { lr = 1e-2, alpha = 0.99, eps = 1e-8 } = {}) {
      super(parameters, { lr, alpha, eps });
    }

    direction(grad, { squares }, i) {
      squares[i] = this.alpha * squares[i] + (1 - this.alpha) * grad ** 2;
      return grad / (Math.sqrt(squares[i]) + this.eps);
    }
  }

  class Adam extends Optimizer {
    constructor(parameters, { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8 } = {}) {
      super(parameters, { lr, betas, eps });
    }

    // The running means of the gradients and of their squares, both corrected for their start at 0
    direction(grad, { steps, velocity, squares }, i) {
      const [beta_1, beta_2] = this.betas;
      velocity[i] += (1 - beta_1) * (grad - velocity[i]);
      squares[i] += (1 - beta_2) * (grad ** 2 - squares[i]);
      const mean = velocity[i] / (1 - beta_1 ** steps);
      return mean / (Math.sqrt(squares[i] / (1 - beta_2 ** steps)) + this.eps);
    }
  }

  return {
    tensor, decode, decode_state, generator, conv_output_size, receptive_field,
    conv2d, max_pool2d, avg_pool2d, linear, flatten, relu, sigmoid, tanh, softmax, cross_entropy,
    conv2d_backward, max_pool2d_backward, avg_pool2d_backward, linear_backward,
    relu_backward, sigmoid_backward, tanh_backward, cross_entropy_backward,
    Conv2d, Linear, MaxPool2d, ReLU, Flatten, Sequential, SGD, Adagrad, RMSprop, Adam,
  };
})();
