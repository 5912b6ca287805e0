// Draw a digit, and LeNet reads it: the pad, the network with its stored weights, and its answer.
// preparation.js makes a picture like MNIST's of the drawing; layers.js shows what happens in between.
const digit = (() => {
  const { element } = demos;
  const PAD = 280; // pixels across, ten for each of the network's 28
  const PEN = 22;
  const STEP = 7; // how far an arrow key moves the pen
  const THREE = (
    "84,84 91,70 102,60 115,52 131,49 148,48 165,53 178,62 185,77 184,94 177,109 164,120 147,127 " +
    "130,132 124,134 136,136 157,139 176,146 191,156 200,170 202,187 198,204 187,219 172,230 " +
    "154,236 136,237 118,234 101,227 88,216 78,204"
  )
    .split(" ")
    .map((point) => point.split(",").map(Number));

  // --- the network

  // The stored weights, by their keys in PyTorch.
  const weights = demos.decode_state(demo_data.lenet.state);

  // All that LeNet computes for a normalized picture (28, 28), layer by layer.
  function journey(picture) {
    const layer = (number) => [weights[`${number}.weight`], weights[`${number}.bias`]];
    const x = cnn.tensor([1, 1, 28, 28], picture.data);
    const conv1 = cnn.relu(cnn.conv2d(x, ...layer(0), { padding: 2 }));
    const pool1 = cnn.max_pool2d(conv1, 2);
    const conv2 = cnn.relu(cnn.conv2d(pool1, ...layer(3)));
    const pool2 = cnn.max_pool2d(conv2, 2);
    const linear1 = cnn.relu(cnn.linear(cnn.flatten(pool2), ...layer(7)));
    const linear2 = cnn.relu(cnn.linear(linear1, ...layer(9)));
    const scores = cnn.linear(linear2, ...layer(11));
    return { x, conv1, pool1, conv2, pool2, linear1, linear2, scores };
  }

  // What LeNet answers to a drawing, and how it gets there; null where nothing is drawn.
  function read(drawing) {
    const prepared = preparation.prepare(drawing, demo_data.lenet.mean, demo_data.lenet.std);
    if (!prepared) return null;
    const stages = journey(prepared.normalized);
    const probabilities = [...cnn.softmax(stages.scores).data];
    const answer = probabilities.indexOf(Math.max(...probabilities));
    return { prepared, stages, probabilities, answer };
  }

  // --- the pad

  // Calls `change` once in each frame in which the drawing changes. What is shown on the pad goes
  // when the reader begins to draw.
  class Pad {
    constructor(change) {
      this.change = change;
      this.canvas = element("canvas", { width: PAD, height: PAD, tabindex: 0, role: "application" });
      this.pen = element("div", { class: "digit-pen" });
      this.frame = element("div", { class: "digit-frame", hidden: true });
      this.invitation = element("span", { class: "demo-invitation", "aria-hidden": "true" }, "Draw a digit here");
      this.box = element("div", { class: "digit-pad" }, this.canvas, this.frame, this.pen, this.invitation);
      this.context = this.canvas.getContext("2d", { willReadFrequently: true });
      Object.assign(this.context, { lineWidth: PEN, lineCap: "round", strokeStyle: "#fff" });
      drawWithPointer(this);
      drawWithKeys(this);
    }

    changed() {
      this.request ??= requestAnimationFrame(() => {
        this.request = null;
        this.change();
      });
    }

    clear() {
      this.context.fillRect(0, 0, PAD, PAD); // black
      this.untouched = false;
      this.invitation.hidden = false;
      this.changed();
    }

    begin([x, y]) {
      if (this.untouched) this.clear();
      this.invitation.hidden = true;
      this.at = [x, y];
      this.lineTo([x + 0.01, y]); // a dot
    }

    lineTo(point) {
      this.context.beginPath();
      this.context.moveTo(...this.at);
      this.context.lineTo(...point);
      this.context.stroke();
      this.at = point;
      this.changed();
    }

    showStrokes(points) {
      this.clear();
      this.begin(points[0]);
      for (const point of points) this.lineTo(point);
      this.untouched = true;
      this.invitation.hidden = false;
    }

    // A picture (28, 28) of bytes, ten times as large.
    showPixels(bytes) {
      this.clear();
      const large = new ImageData(PAD, PAD);
      for (let h = 0; h < PAD; h++)
        for (let w = 0; w < PAD; w++) {
          const gray = bytes[Math.floor(h / 10) * 28 + Math.floor(w / 10)];
          large.data.set([gray, gray, gray, 255], 4 * (h * PAD + w));
        }
      this.context.putImageData(large, 0, 0);
      this.untouched = true;
      this.invitation.hidden = true;
    }

    drawing() {
      const { data } = this.context.getImageData(0, 0, PAD, PAD);
      const picture = cnn.tensor([PAD, PAD]);
      for (let i = 0; i < PAD * PAD; i++) picture.data[i] = data[4 * i] / 255; // of a gray: its red
      return picture;
    }

    // Put a frame around a part of the drawing.
    mark(part) {
      this.frame.hidden = !part;
      for (const side of part ? ["left", "top", "width", "height"] : [])
        this.frame.style[side] = `${(100 * part[side]) / PAD}%`;
    }
  }

  function drawWithPointer(pad) {
    const { canvas } = pad;
    const point = ({ clientX, clientY }) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return [((clientX - left) * PAD) / width, ((clientY - top) * PAD) / height];
    };
    let drawing = null; // the mouse, finger or pen that draws; others must not, meanwhile
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || drawing !== null) return;
      drawing = event.pointerId;
      canvas.setPointerCapture(drawing);
      pad.begin(point(event));
    });
    canvas.addEventListener("lostpointercapture", ({ pointerId }) => {
      if (pointerId === drawing) drawing = null;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== drawing) return;
      const moves = event.getCoalescedEvents();
      for (const move of moves.length ? moves : [event]) pad.lineTo(point(move));
    });
  }

  // Two arrows held together go along a diagonal.
  function drawWithKeys(pad) {
    const { canvas, pen } = pad;
    const held = new Set();
    let at = [PAD / 2, PAD / 2]; // across, down

    function move() {
      const moves = [...held].map((key) => demos.ARROWS[key]);
      at = at.map((value, axis) => {
        const to = moves.reduce((sum, direction) => sum + STEP * direction[1 - axis], value);
        return Math.min(Math.max(to, PEN / 2), PAD - PEN / 2);
      });
      [pen.style.left, pen.style.top] = at.map((value) => `${(100 * value) / PAD}%`);
      if (pen.classList.contains("down")) pad.lineTo(at);
    }

    canvas.addEventListener("keydown", (event) => {
      if (demos.isBrowsers(event)) return;
      if (event.key in demos.ARROWS) {
        held.add(event.key);
        move();
      } else if (event.key === " ") {
        if (!event.repeat && pen.classList.toggle("down")) pad.begin(at);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        pad.clear();
      } else return;
      event.preventDefault();
    });
    canvas.addEventListener("keyup", (event) => held.delete(event.key));
    canvas.addEventListener("blur", () => {
      held.clear();
      pen.classList.remove("down");
    });
    move();
  }

  // --- the answer

  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  // Write into a live text, when the pen rests: not each frame of a stroke is to be read aloud.
  function spoken(live) {
    let waiting;
    return (sentence) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => (live.textContent = sentence), 200);
    };
  }

  // The digit that LeNet reads, the same as a sentence, and ten bars with their numbers.
  class Answer {
    constructor() {
      this.large = element("span", { class: "digit-answer", "aria-hidden": "true" });
      const said = demos.live();
      this.say = spoken(said);
      this.rows = Array.from({ length: 10 }, (_, value) => {
        const parts = ["score", "bar", "share"].map((name) => element("span", { class: `digit-${name}` }));
        return element("li", {}, element("b", {}, String(value)), ...parts);
      });
      this.box = element(
        "div",
        { class: "digit-says" },
        element("div", { class: "digit-line" }, this.large, said),
        element(
          "div",
          { class: "digit-heads", "aria-hidden": "true" },
          ...["", "score", "", "probability"].map((head) => element("span", {}, head)),
        ),
        element("ol", { class: "digit-scores", "aria-label": "Score and probability of each digit" }, ...this.rows),
      );
    }

    tell(found, sentence) {
      this.large.textContent = found?.answer ?? "?";
      this.rows.forEach((row, value) => {
        const [, score, bar, share] = row.children;
        const probability = found?.probabilities[value] ?? 0;
        score.textContent = found ? demos.decimal(found.stages.scores.data[value], 1) : "";
        share.textContent = found ? percent(probability) : "";
        bar.style.setProperty("--share", probability);
        row.classList.toggle("chosen", value === found?.answer);
      });
      this.say(sentence);
    }
  }

  // --- both together

  // Put them into a box. `change` is called with what LeNet found, or null, after each change.
  function mount(box, change = () => {}) {
    const { right, of, index, labels, pixels } = demo_data.digits_wrong;
    const wrong = demos.decode(pixels, Uint8Array);
    let shown = -1; // the last digit shown, of those that it gets wrong

    const answer = new Answer();
    const pad = new Pad(() => {
      const found = read(pad.drawing());
      const sentence = say(found);
      pad.canvas.setAttribute("aria-label", `Drawing pad. ${sentence}`);
      answer.tell(found, sentence);
      change(found);
    });

    function say(found) {
      if (!found) return "The pad is empty.";
      if (pad.untouched && shown >= 0)
        return (
          `Wrong digit ${shown + 1} of ${index.length}: test digit ${index[shown]} is ` +
          `${demos.a(labels[shown])}. LeNet reads ${demos.a(found.answer)}.`
        );
      const probability = found.probabilities[found.answer];
      const sure = probability > 0.9995 ? "over 99.9\u00a0%" : percent(probability);
      return `LeNet reads ${demos.a(found.answer)}, with a probability of ${sure}.`;
    }

    function showWrong() {
      shown = (shown + 1) % index.length;
      pad.showPixels(wrong.subarray(784 * shown, 784 * (shown + 1)));
    }

    box.append(
      element(
        "div",
        { class: "digit" },
        pad.box,
        answer.box,
        demos.row(
          demos.button("Clear", () => pad.clear()),
          demos.button("A digit it gets wrong", showWrong),
        ),
        element("p", { class: "digit-how" },
          "Draw with mouse or finger, or with keys: arrows move the pen, ",
          "space lowers and lifts it, Delete clears the pad."),
        element("p", { class: "digit-skill" },
          `Of MNIST's ${of.toLocaleString("en")} test digits, this LeNet reads `,
          `${right.toLocaleString("en")} right (${percent(right / of)}).`),
      ),
    );
    pad.showStrokes(THREE);
    return pad;
  }

  demos.register("digit", (box) => void mount(box));
  return { weights, read, spoken, mount };
})();
