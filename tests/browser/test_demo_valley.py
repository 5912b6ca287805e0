"""The demonstration "The valley", driven as a reader would, against the course's optimizers."""

import re
from functools import partial

import numpy as np
import pytest
from test_browser import CONTRAST, OPEN_FOLDS, WIDTH

from lenet_course.scratch import nn, optim

RATES = np.geomspace(0.001, 10, 25)  # of the chapter: every fourth of the slider
OPTIMIZERS = {
    "gradient descent": lambda lr, beta: partial(optim.SGD, lr=lr),
    "momentum": lambda lr, beta: partial(optim.SGD, lr=lr, momentum=beta),
    "Nesterov": lambda lr, beta: partial(optim.SGD, lr=lr, momentum=beta, nesterov=True),
    "AdaGrad": lambda lr, beta: partial(optim.Adagrad, lr=lr),
    "RMSProp": lambda lr, beta: partial(optim.RMSprop, lr=lr),
    "Adam": lambda lr, beta: partial(optim.Adam, lr=lr, betas=(beta, 0.999)),
}
CURVATURE, START = np.array([1.0, 50.0]), np.array([-4.0, 1.0])
TURN = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)


def steps_needed(name, lr, beta=0.9, turned=False, start=START):
    """Count as the chapter does: from which step on the loss stays below 0.01, or None."""
    turn = TURN if turned else np.eye(2)
    w = nn.Parameter(turn @ start)
    optimizer = OPTIMIZERS[name](lr, beta)([w])
    path = [w.data.copy()]
    with np.errstate(all="ignore"):  # of paths that diverge
        for _ in range(500):
            w.grad = turn @ (CURVATURE * (turn.T @ w.data))
            optimizer.step()
            path.append(w.data.copy())
        losses = 0.5 * ((np.array(path) @ turn) ** 2 @ CURVATURE)
        last_above = np.flatnonzero(~(losses < 0.01))[-1]
    return int(last_above) + 1 if last_above < 500 else None


@pytest.fixture
def start(reader):
    return partial(reader, "chapters/24_optimizers.html")


def demo_of(page):
    return page.locator('.demo[data-demo="valley"]')


def hint(demo):
    """Return the line below the paths; the last line of a demonstration is a link."""
    return demo.locator("p.demo-hint").first


def said(demo):
    """Return the steps that each of the two needs, None for never."""
    words = demo.locator(".demo-live").inner_text()
    return [
        int(n) if n else None for n in re.findall(r"needs (\d+) steps|does not|diverges", words)
    ]


RACE = """([turned, betas]) => {
  const demo = document.querySelector('.demo[data-demo="valley"]');
  const change = (input, value, event) => {
    input.value = value;
    input.dispatchEvent(new Event(event));
  };
  const box = demo.querySelector("input[type=checkbox]");
  if (box.checked !== turned) box.click();
  const run = demo.querySelector(".demo-run");
  const [rate, beta] = run.querySelectorAll("input[type=range]");
  return betas.map(([name, value]) => {
    change(run.querySelector("select"), name, "change");
    const best = Number(rate.value);
    change(beta, value, "input");
    const steps = Array.from({ length: 25 }, (_, i) => {
      change(rate, 4 * i, "input");
      const [first] = demo.querySelector(".demo-live").textContent.split(/\\. [A-Z]/);
      const found = /needs (\\d+) steps/.exec(first);
      return found ? Number(found[1]) : null;
    });
    return { best, steps };
  });
}"""


@pytest.mark.parametrize("turned", [False, True])
def test_steps_are_those_of_the_course_at_all_its_rates(start, turned):
    shown = start().evaluate(RACE, [turned, [[name, 0.9] for name in OPTIMIZERS]])
    chance = []  # where the last bit of the start already decides
    for name, found in zip(OPTIMIZERS, shown, strict=True):
        expected = [steps_needed(name, lr, turned=turned) for lr in RATES]
        for i, lr in enumerate(RATES):
            if found["steps"][i] != expected[i]:
                nearby = [START * (1 + e) for e in (1e-14, -3e-14, 1e-13)]
                others = {steps_needed(name, lr, turned=turned, start=place) for place in nearby}
                assert others != {expected[i]}, f"{name} at the rate {lr}"
                chance.append(name)
        best = min(steps for steps in expected if steps)
        assert found["best"] == 4 * expected.index(best)
        assert min(steps for steps in found["steps"] if steps) == best
    assert set(chance) <= {"RMSProp"}
    assert len(chance) <= 3 * turned


def test_steps_are_those_of_the_course_at_other_betas(start):
    betas = [[name, b] for b in (0.5, 0.6, 0.7, 0.8) for name in ("momentum", "Nesterov", "Adam")]
    for (name, beta), found in zip(betas, start().evaluate(RACE, [False, betas]), strict=True):
        assert found["steps"] == [steps_needed(name, lr, beta) for lr in RATES], (name, beta)


def test_momentum_begins_ahead_and_can_lose(start, root):
    demo = demo_of(start(root))
    assert said(demo) == [105, 73]
    assert demo.locator(".demo-live").inner_text().endswith("Momentum is ahead.")
    demo.get_by_role("slider", name="momentum β").fill("0.97")
    assert said(demo) == [105, steps_needed("momentum", RATES[7], 0.97)]
    assert demo.locator(".demo-live").inner_text().endswith("Gradient descent is ahead.")
    second = demo.get_by_role("group", name="second run")
    second.get_by_role("button", name="Best rate").click()
    fewest = min(steps for lr in RATES if (steps := steps_needed("momentum", lr, 0.97)))
    assert said(demo) == [105, fewest]


def test_with_the_keyboard(start):
    page = start()
    demo = demo_of(page)
    rate = demo.get_by_label("learning rate η").first
    rate.focus()
    assert rate.get_attribute("aria-valuetext") == "0.0316"
    for _ in range(4):  # from 36 to 40 of 96
        page.keyboard.press("ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "0.0464"
    assert said(demo)[0] is None  # above 2 / 50
    demo.get_by_label("optimizer").first.select_option("AdaGrad")
    assert said(demo)[0] == 5
    assert demo.get_by_role("slider", name="momentum β").count() == 1  # the other's


def test_play_step_and_reset(start):
    page = start()
    demo = demo_of(page)
    paths, told = demo.locator("canvas").first, hint(demo)
    assert "40 steps of gradient descent and momentum" in paths.get_attribute("aria-label")
    pictures = [paths.screenshot()]
    demo.get_by_role("button", name="Reset").click()
    assert told.inner_text().startswith("At the start the loss is 33 for both.")
    pictures.append(paths.screenshot())
    for _ in range(2):
        demo.get_by_role("button", name="Step").click()
    # 0.0316 multiplies the two numbers by 0.9684 and by -0.5811, at each step
    expected = 0.5 * CURVATURE @ (START * (1 - RATES[9] * CURVATURE) ** 2) ** 2
    says = f"After 2 steps the loss of gradient descent is {expected:.3g}, the loss of momentum is "
    assert told.inner_text().startswith(says)
    pictures.append(paths.screenshot())
    assert len(set(pictures)) == 3
    demo.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "parseInt(document.querySelector('p.demo-hint').textContent.split(' ')[1]) > 4"
    )
    demo.get_by_role("button", name="Pause").click()
    at = told.inner_text()
    page.wait_for_timeout(200)
    assert told.inner_text() == at


def test_who_wants_no_motion_sees_the_end_at_once(start):
    demo = demo_of(start(reduced_motion="reduce"))
    demo.get_by_role("button", name="Play").click()
    assert hint(demo).inner_text().startswith("After 105 steps")
    assert demo.get_by_role("button", name="Pause").count() == 0


def test_with_a_finger_on_a_phone(start):
    page = start(phone=True, has_touch=True, scheme="dark")
    demo = demo_of(page)
    page.evaluate(OPEN_FOLDS)
    assert page.evaluate(WIDTH) == []
    tall = demo.locator("canvas").first.bounding_box()["height"]
    demo.get_by_label("turn the valley").tap()
    assert demo.locator("canvas").first.bounding_box()["height"] > 1.5 * tall
    demo.get_by_role("button", name="Reset").tap()
    assert hint(demo).inner_text().startswith("At the start")
    sizes = "(e) => Math.min(e.offsetWidth, e.offsetHeight)"
    touched = demo.locator(":is(button, select):visible").all()
    assert min(part.evaluate(sizes) for part in touched) >= 32


def test_paths_diverge_without_a_fault(start):
    demo = demo_of(start())
    for run in range(2):
        demo.get_by_label("learning rate η").nth(run).fill("96")
    assert said(demo) == [None, None]
    assert "above a million" in hint(demo).inner_text()
    says = "Gradient descent (rate 10) diverges. Momentum (rate 10, β 0.9) diverges."
    assert demo.locator(".demo-live").inner_text() == says


def test_it_is_drawn_anew_in_the_other_theme(start):
    page = start()
    pixel = "(e) => [...e.getContext('2d').getImageData(0, 0, e.width, e.height).data].join()"
    canvas = demo_of(page).locator("canvas").first
    light = canvas.evaluate(pixel)
    assert page.evaluate(CONTRAST, "light") == []
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(CONTRAST, "dark") == []
    assert canvas.evaluate(pixel) != light
