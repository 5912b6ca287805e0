// How a network learns, in plain JavaScript: layers and optimizers, made of the functions of core.js.
//
// Names and arguments are those of lenet_course.scratch.nn and .optim, and so of PyTorch.

"use strict";

Object.assign(cnn, (() => {
  // Even random numbers from 0 up to 1, the same for the same seed: mulberry32 by Tommy Ettinger.
  function generator(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let bits = Math.imul(seed ^ (seed >>> 15), seed | 1);
      bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
      return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  // --- layers

  // A layer is a function, its backward function, and what went in last.
  class Layer {
    constructor(...settings) {
      this.settings = settings;
    }

    parameters() {
      return [];
    }

    forward(x) {
      this.kept = x;
      return this.functions[0](x, ...this.parameters(), ...this.settings);
    }

    backward(grad_output) {
      return this.functions[1](grad_output, this.kept, ...this.settings);
    }
  }

  class ReLU extends Layer {
    functions = [cnn.relu, cnn.relu_backward];
  }

  class MaxPool2d extends Layer {
    functions = [cnn.max_pool2d, cnn.max_pool2d_backward];
  }

  class Flatten extends Layer {
    functions = [cnn.flatten, cnn.flatten_backward];
  }

  // A layer with parameters: tensors with a `grad`, a list of as many numbers that every backward
  // pass adds to. First weights are even between ±1/√(inputs of one output), as in PyTorch.
  class Weighted extends Layer {
    constructor(shape, { generator = Math.random, ...options } = {}) {
      super(options);
      const weight = cnn.tensor(shape);
      const bias = cnn.tensor([shape[0]]);
      const bound = 1 / Math.sqrt(weight.data.length / shape[0]);
      const draw = () => bound * (2 * generator() - 1);
      this.weight = { ...cnn.each(weight, draw), grad: null };
      this.bias = { ...cnn.each(bias, draw), grad: null };
    }

    parameters() {
      return [this.weight, this.bias];
    }

    backward(grad_output) {
      const grads = this.functions[1](grad_output, this.kept, this.weight, ...this.settings);
      for (const name of ["weight", "bias"]) {
        const sum = this[name].grad;
        this[name].grad = sum ? sum.map((grad, i) => grad + grads[name].data[i]) : grads[name].data;
      }
      return grads.x;
    }
  }

  class Conv2d extends Weighted {
    functions = [cnn.conv2d, cnn.conv2d_backward];

    constructor(in_channels, out_channels, kernel_size, options) {
      super([out_channels, in_channels, ...cnn.pair("kernel_size", kernel_size)], options);
    }
  }

  class Linear extends Weighted {
    functions = [cnn.linear, cnn.linear_backward];

    constructor(in_features, out_features, options) {
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
  }

  // --- optimizers

  // An optimizer subtracts lr times a direction from every number of its parameters, which are
  // objects { data, grad }: those of a network, or any two lists of numbers. What it remembers of
  // earlier gradients stands in `state`, number by number.
  class Optimizer {
    constructor(parameters, settings) {
      Object.assign(this, { parameters }, new.target.defaults, settings);
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
    static defaults = { lr: 1e-3, momentum: 0, nesterov: false };

    direction(grad, { velocity }, i) {
      velocity[i] = this.momentum * velocity[i] + grad;
      return this.nesterov ? grad + this.momentum * velocity[i] : velocity[i];
    }
  }

  class Adagrad extends Optimizer {
    static defaults = { lr: 1e-2, eps: 1e-10 };

    direction(grad, { squares }, i) {
      squares[i] += grad ** 2;
      return grad / (Math.sqrt(squares[i]) + this.eps);
    }
  }

  class RMSprop extends Optimizer {
    static defaults = { lr: 1e-2, alpha: 0.99, eps: 1e-8 };

    direction(grad, { squares }, i) {
      squares[i] = this.alpha * squares[i] + (1 - this.alpha) * grad ** 2;
      return grad / (Math.sqrt(squares[i]) + this.eps);
    }
  }

  class Adam extends Optimizer {
    static defaults = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8 };

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
    generator, Conv2d, Linear, MaxPool2d, ReLU, Flatten, Sequential, SGD, Adagrad, RMSprop, Adam,
  };
})());
