// Grids of cells, for the demonstrations about sizes: an image with its padding, a map.
const cells = (() => {
  const { element, svg } = demos;
  const MARGIN = 0.08; // of a cell, for lines at the edge
  let count = 0;

  const range = (start, end) => Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
  const clamp = (number, count) => Math.min(count - 1, Math.max(0, number));

  // The rows (or columns) that a kernel reads at a place along one axis; padding begins below 0.
  const reads = (place, { kernel_size, stride, padding, dilation }) =>
    range(0, kernel_size).map((entry) => place * stride - padding + entry * dilation);

  // The input pixels, along each axis, that one output pixel of a stack of layers can depend on. A
  // layer is [kernel_size, stride] or [kernel_size, stride, dilation] (lenet_course.shapes).
  function receptive_field(layers) {
    let field = 1;
    let width = 1; // input pixels from one pixel of this layer to the next
    for (const [kernel_size, stride, dilation = 1] of layers) {
      field += dilation * (kernel_size - 1) * width;
      width *= stride;
    }
    return field;
  }

  // A grid with its name above it. `keys` says what its keys do.
  function grid(name, keys) {
    const hatch = `demo-hatch-${++count}`;
    const drawing = svg("svg", { class: "demo-grid", tabindex: 0, role: "application" });
    const heading = element("div", { class: "demo-hint" });
    const made = { drawing, element: element("div", {}, heading, drawing), draw };

    // H × W cells, with padding on each side. Each mark is { kind, rows, columns }: all cells where
    // one of these rows meets one of these columns.
    function draw([H, W], [above, left] = [0, 0], marks = [], title = `${name}, ${H} × ${W}`) {
      const [height, width] = [H + 2 * above, W + 2 * left];
      // A kernel that does not fit hangs over the edge, and is to be seen whole.
      const end = (edge, axis) => Math.max(edge, ...marks.flatMap((mark) => mark[axis].map((n) => n + 1)));
      made.columns = end(W + left, "columns") + left + 2 * MARGIN;
      made.rows = end(H + above, "rows") + above + 2 * MARGIN;
      const frame = [-left - MARGIN, -above - MARGIN, made.columns, made.rows];
      drawing.setAttribute("viewBox", frame.join(" "));
      drawing.setAttribute("aria-label", `${title}. ${keys}`);
      drawing.style.setProperty("--columns", made.columns);
      heading.textContent = title;
      const lines = [
        ...range(-above, H + above + 1).map((y) => `M${-left} ${y}h${width}`),
        ...range(-left, W + left + 1).map((x) => `M${x} ${-above}v${height}`),
      ];
      drawing.replaceChildren(
        hatching(hatch),
        svg("rect", { class: "demo-padding", x: -left, y: -above, width, height }),
        svg("rect", { class: "demo-inside", width: W, height: H }),
        svg("path", { class: "demo-lines", d: lines.join("") }),
        ...marks.map(({ kind, rows, columns }) => {
          const squares = rows.flatMap((y) => columns.map((x) => `M${x} ${y}h1v1h-1z`));
          const fill = kind === "unread" && `url(#${hatch})`;
          return svg("path", { class: `demo-${kind}`, fill, d: squares.join("") });
        }),
        svg("rect", { class: "demo-edge", width: W, height: H }),
      );
    }
    return made;
  }

  const hatching = (id) =>
    svg(
      "defs",
      {},
      svg(
        "pattern",
        { id, width: 0.25, height: 0.25, patternUnits: "userSpaceOnUse" },
        svg("path", { class: "demo-stripe", d: "M0 .25L.25 0M-.05 .05L.05-.05M.2 .3L.3 .2" }),
      ),
    );

  // Tell the style sheet how many cells stand beside each other, and how many in the widest and in
  // the tallest grid.
  function arrange(place, grids) {
    const shown = grids.filter((grid) => !grid.element.hidden);
    const tell = (name, number) => place.style.setProperty(`--${name}`, number);
    tell("across", shown.reduce((sum, { columns }) => sum + columns + 1.5, 0));
    tell("widest", Math.max(...shown.map(({ columns }) => columns)));
    tell("tallest", Math.max(...shown.map(({ rows }) => rows)));
  }

  // The row and the column under a mouse or finger, with fractions.
  function under(drawing, event) {
    const page = drawing.getBoundingClientRect();
    const { x, y, width, height } = drawing.viewBox.baseVal;
    return [
      ((event.clientY - page.top) / page.height) * height + y,
      ((event.clientX - page.left) / page.width) * width + x,
    ];
  }

  // Call move([row, column], begins) while the left mouse button or the first finger is down.
  function onDrag(drawing, move) {
    const follow = (event, begins) => {
      if (event.isPrimary && event.buttons & 1) move(under(drawing, event), begins);
    };
    drawing.addEventListener("pointerdown", (event) => {
      drawing.setPointerCapture(event.pointerId);
      follow(event, true);
    });
    drawing.addEventListener("pointermove", (event) => follow(event, false));
  }

  return { range, clamp, reads, receptive_field, grid, arrange, under, onDrag };
})();
