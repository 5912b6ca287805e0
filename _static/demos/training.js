// A training: a small network learns 1,000 digits while the reader looks on. It is the loop of the
// chapter (forward pass, loss, backward pass, step), cut into slices so that the page stays usable.
(() => {
  const RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
  const FIRST_RATE = 4; // its place among the rates
  const BATCH = 20;
  const EPOCHS = 20;
  const STEPS_TO_A_LOOK = 10;
  const SLICE = 12; // milliseconds of training in each frame
  const SHOWN = [0, 1, 2, 3, 5, 6, 7, 9, 10, 14, 15, 29]; // validation digits, easy and hard ones
  const SIDE = 14;
  const GUESSING = Math.log(10); // the loss of ten equal scores

  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // --- the digits, normalized by those that are learned from

  function readDigits() {
    const { n_train, labels, pixels } = demo_data.training_digits;
    const bytes = demos.decode(pixels, Uint8Array);
    const known = bytes.subarray(0, n_train * SIDE * SIDE);
    const center = mean(known);
    const spread = Math.sqrt(mean(Array.from(known, (byte) => (byte - center) ** 2)));
    const normalized = Float32Array.from(bytes, (byte) => (byte - center) / spread);
    const digit = (i) => normalized.subarray(i * SIDE ** 2, (i + 1) * SIDE ** 2);

    function batch(indices) {
      const x = cnn.tensor([indices.length, 1, SIDE, SIDE]);
      indices.forEach((index, n) => x.data.set(digit(index), n * SIDE ** 2));
      return { x, y: indices.map((index) => labels[index]) };
    }
    const valid = batch(range(labels.length - n_train).map((i) => n_train + i));
    return { n_train, digit, batch, valid };
  }

  // --- the training

  class Training {
    constructor(digits, lr) {
      this.digits = digits;
      this.generator = cnn.generator(0); // every training starts from the same weights
      const { generator } = this;
      this.filters = new cnn.Conv2d(1, 8, 5, { generator }); // (N, 8, 10, 10)
      this.net = new cnn.Sequential(
        this.filters,
        new cnn.ReLU(),
        new cnn.MaxPool2d(2), // (N, 8, 5, 5)
        new cnn.Flatten(),
        new cnn.Linear(200, 10, { generator }),
      );
      this.optimizer = new cnn.SGD(this.net.parameters(), { lr });
      this.steps = 0;
      this.losses = []; // of the steps since the last look
      this.looks = [];
      this.look();
    }

    get epoch() {
      return (this.steps * BATCH) / this.digits.n_train;
    }

    step() {
      const place = (this.steps * BATCH) % this.digits.n_train;
      if (place === 0) this.order = this.shuffled();
      const { x, y } = this.digits.batch(this.order.slice(place, place + BATCH));
      const logits = this.net.forward(x);
      this.losses.push(cnn.cross_entropy(logits, y));
      this.net.backward(cnn.cross_entropy_backward(logits, y));
      this.optimizer.step();
      this.optimizer.zero_grad();
      this.steps += 1;
      if (this.steps % STEPS_TO_A_LOOK === 0) this.look();
    }

    shuffled() {
      const order = range(this.digits.n_train);
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(this.generator() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    }

    // How the network does on the digits that it does not learn from.
    look() {
      const { x, y } = this.digits.valid;
      const logits = this.net.forward(x);
      this.answers = y.map((_, n) => highest(logits.data.subarray(10 * n, 10 * n + 10)));
      this.looks.push({
        epoch: this.epoch,
        train: mean(this.losses),
        valid: cnn.cross_entropy(logits, y),
        right: this.answers.filter((answer, n) => answer === y[n]).length,
      });
      this.losses = [];
    }

    get last() {
      return this.looks.at(-1);
    }

    get failed() {
      return this.steps > 0 && Number.isNaN(this.last.valid);
    }

    get finished() {
      return this.epoch >= EPOCHS;
    }
  }

  // The class with the highest score; none where the scores are no numbers.
  function highest(scores) {
    const best = scores.indexOf(Math.max(...scores));
    return best < 0 ? null : best;
  }

  // --- what is said about it

  const written = (loss) => (loss < 1000 ? loss.toFixed(2) : "more than 1,000");

  function said({ epoch, last: { train, valid, right }, digits, finished, failed }) {
    const n = digits.valid.y.length;
    const share = `${right} of the ${n} validation digits right (${Math.round((100 * right) / n)}\u00a0%)`;
    if (failed) {
      return (
        `In epoch ${Math.ceil(epoch)} the loss became NaN, which is no number: the steps were too ` +
        "long, and the weights grew without limit. Reset, and choose a lower rate."
      );
    }
    if (epoch === 0) {
      return `Before the first step the network has ${share}. That is guessing. Press Start to train it.`;
    }
    const rounded = Math.round(10 * epoch) / 10;
    const when = `${finished ? "Finished after" : "After"} ${rounded} epoch${rounded === 1 ? "" : "s"}`;
    const losses = `${written(train)} on the training digits, ${written(valid)} on the validation digits`;
    const guessing = epoch >= 2 && right / n < 0.15 ? " That is no better than guessing." : "";
    return `${when}: loss ${losses}; ${share}.${guessing}`;
  }

  // --- what is drawn of it

  const HIGHEST_LOSS = 3;

  function drawCurves(context, width, height, looks) {
    const [left, right, top, bottom] = [30, width - 8, 32, height - 36];
    const across = (epoch) => left + ((right - left) * epoch) / EPOCHS;
    const down = (loss) => bottom + ((top - bottom) * loss) / HIGHEST_LOSS;
    const [trainColor, validColor, text] = ["window", "mark", "text"].map(demos.color);
    context.font = demos.font(13);

    const line = (points, color, dash, lineWidth) => {
      Object.assign(context, { strokeStyle: color, lineWidth });
      context.setLineDash(dash);
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(x, y));
      context.stroke();
    };
    const write = (words, x, y, textAlign) => {
      Object.assign(context, { fillStyle: text, textAlign, textBaseline: "middle" });
      context.fillText(words, x, y);
    };
    for (const loss of range(HIGHEST_LOSS + 1)) {
      line([[left, down(loss)], [right, down(loss)]], demos.color("faint"), [], 1);
      write(loss, left - 8, down(loss), "right");
    }
    for (const epoch of range(5).map((i) => (EPOCHS / 4) * i)) {
      write(epoch, across(epoch), bottom + 12, "center");
    }
    write("epoch", (left + right) / 2, bottom + 28, "center");
    line([[left, down(GUESSING)], [right, down(GUESSING)]], demos.color("line"), [2, 3], 1);
    write("loss of ten equal scores", right, down(GUESSING) - 10, "right");

    const curve = (name, color, dash) => {
      const known = looks.filter((look) => Number.isFinite(look[name]));
      const inSight = (loss) => Math.min(loss, 2 * HIGHEST_LOSS); // a line to 10³⁰ has no dashes
      line(known.map((look) => [across(look.epoch), down(inSight(look[name]))]), color, dash, 2);
    };
    const legend = [["training", trainColor, [5, 3]], ["validation", validColor, []]];
    legend.forEach(([words, color, dash], i) => {
      const x = left + 110 * i;
      line([[x, 10], [x + 25, 10]], color, dash, 2);
      write(words, x + 32, 10, "left");
    });
    context.beginPath();
    context.rect(left, top - 2, width, bottom - top + 4); // a curve may leave it
    context.clip();
    curve("train", trainColor, [5, 3]);
    curve("valid", validColor, []);
  }

  function drawFilters(canvases, { data }) {
    const limit = data.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    canvases.forEach((canvas, i) => {
      const kernel = data.subarray(25 * i, 25 * (i + 1));
      if (Number.isFinite(limit)) demos.drawPixels(canvas, kernel, 5, 5, "signed", [-limit, limit]);
      else canvas.width = 5; // nothing can be drawn of NaN: the picture becomes empty
    });
  }

  // --- the demonstration

  demos.register("training", (box) => {
    const { element } = demos;
    const digits = readDigits();
    let training = new Training(digits, RATES[FIRST_RATE]);
    let running = false;
    let frame; // the one that is asked for

    const start = demos.button("Start", () => {
      if (running) pause();
      else if (!isOver()) run();
    });
    const isOver = () => training.finished || training.failed;
    const reset = demos.button("Reset", () => {
      training = new Training(digits, training.optimizer.lr);
      pause();
    });
    const rate = demos.slider(
      "learning rate",
      { max: RATES.length - 1, value: FIRST_RATE, show: (place) => RATES[place] },
      (place) => (training.optimizer.lr = RATES[place]),
    );
    const status = demos.live();
    const curves = demos.drawing(0.6, (context, width, height) =>
      drawCurves(context, width, height, training.looks),
    );
    const picture = (label) => element("canvas", { role: "img", "aria-label": label });
    const filters = range(8).map((i) => picture(`filter ${i + 1} of 8`));
    const shown = SHOWN.map((n) => ({ n, canvas: picture(""), answer: element("span") }));
    shown.forEach(({ canvas, n }) =>
      demos.drawPixels(canvas, digits.digit(digits.n_train + n), SIDE, SIDE),
    );

    function showText() {
      status.textContent = said(training);
      start.textContent = running ? "Pause" : "Start";
      start.setAttribute("aria-disabled", isOver()); // not disabled, or the keyboard loses its place
      status.setAttribute("aria-busy", running); // read aloud when it pauses, not twice a second
    }

    function showPictures() {
      const { train, valid } = training.last;
      const losses = training.steps ? `: ${written(train)} and ${written(valid)} now` : "";
      const label = `Training and validation loss by epoch${losses}`;
      curves.setAttribute("aria-label", label);
      curves.redraw();
      drawFilters(filters, training.filters.weight);
      shown.forEach(({ n, canvas, answer }) => {
        const [read, label] = [training.answers[n] ?? "nothing", digits.valid.y[n]];
        canvas.setAttribute("aria-label", `${demos.a(label)}, read as ${read}`);
        answer.textContent = `${read === label ? "✓" : "✗"} ${training.answers[n] ?? "–"}`;
        answer.classList.toggle("demo-wrong", read !== label);
      });
    }

    function run() {
      running = true;
      showText();
      frame = requestAnimationFrame(slice);
    }

    function pause() {
      running = false;
      cancelAnimationFrame(frame);
      showText();
      showPictures();
    }

    // Train for a few milliseconds, show what changed, and let the page have its turn.
    function slice() {
      const end = performance.now() + SLICE;
      const before = training.looks.length;
      let epochIsOver = false;
      while (!isOver() && performance.now() < end) {
        training.step();
        epochIsOver ||= Number.isInteger(training.epoch);
      }
      if (isOver()) return pause();
      if (epochIsOver) showText();
      const moving = !demos.reducedMotion() && training.looks.length > before;
      if (moving || epochIsOver) showPictures();
      frame = requestAnimationFrame(slice);
    }

    const part = (title, ...children) =>
      element("div", { role: "group", "aria-label": title }, element("p", {}, title), ...children);
    const pictures = (kind, children) =>
      element("div", { class: `demo-pictures demo-training-${kind}` }, ...children);
    box.append(
      demos.row(start, reset, rate),
      status,
      element(
        "div",
        { class: "demo-training" },
        part("Loss", curves),
        element(
          "div",
          {},
          part("The eight filters", pictures("filters", filters)),
          part(
            "Validation digits and how it reads them",
            pictures("digits", shown.map(({ canvas, answer }) => element("div", {}, canvas, answer))),
          ),
        ),
      ),
    );
    pause();
  });
})();
