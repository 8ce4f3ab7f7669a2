"""What a learner does in JupyterLab: runs everything, guesses, answers, checks."""

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, expect

from lab_utils.files import ROOT
from tests.browser.lab_browser import Notebook, Server, chromium, find_chromium, jupyterlab

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="No Chromium is on this machine; apt install chromium."
)

LESSON = [
    "from lab_utils.measure.interval import Interval\n"
    "from lab_utils.show.predict import predict\n"
    "from lab_utils.show.quiz import quiz",
    'guess = predict("How long does a request take?", unit="ms")',
    "guess.reveal(Interval(184, 170, 201, 30))",
    "from lab_utils.show.again import with_button\n"
    "from lab_utils.show.progress import waiting\n"
    "def step():\n"
    "    with waiting('A step', about_s=1):\n"
    "        pass\n"
    "with_button('Once more', step, step)",
    'quiz("Rate 20 a second, 8 in flight: mean latency?",\n'
    '     {"400 ms": "8 / 20 = 0.4 s.", "160 ms": "That multiplies; divide."}, right="400 ms")',
]
TASKS = ("preprocess", "postprocess", "measure_latency", "service_settings", "build_predictor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course; a small lesson; the blank lab with a solution to one task at its end; the solved
    lab, cut after its first check, since its services take a minute.
    """
    folder = tmp_path_factory.mktemp("course")
    for part in ("notebooks", "labs"):
        shutil.copytree(ROOT / part, folder / part)
    blank = nbformat.read(ROOT / "labs/1_resnet_service/lab.ipynb", 4)
    solved = nbformat.read(ROOT / "solutions/1_resnet_service/lab.ipynb", 4)
    lesson = copy.deepcopy(solved)
    lesson.cells = [nbformat.v4.new_code_cell(source) for source in LESSON]
    lesson.cells[-1].metadata.jupyter = {"source_hidden": True}  # as the build folds a quiz
    checks = [i for i, c in enumerate(solved.cells) if c.source.startswith("check(")]
    blank.cells += [c for c in solved.cells if "def postprocess" in c.source]
    blank.cells[-1].id = "solution"
    solved.cells = solved.cells[: checks[0] + 1]
    for name, notebook in {"lesson": lesson, "blank": blank, "solved": solved}.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with jupyterlab(folder) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with chromium() as started:
        yield started


def test_a_lesson_compares_guesses_shows_progress_and_answers_choices(
    browser: BrowserContext, server: Server
) -> None:
    notebook = Notebook.open(browser, server, "lesson.ipynb")
    notebook.run_all()
    asked, revealed = notebook.output("predict("), notebook.output("guess.reveal")
    expect(revealed).to_contain_text("You made no guess; measured 184 ms [170 to 201].")
    asked.get_by_placeholder("a number").fill("20")
    asked.get_by_role("button", name="Keep my guess").click()
    expect(asked).to_contain_text("Kept: 20 ms.")
    expect(revealed).to_contain_text("You guessed 20 ms; measured 184 ms [170 to 201]: 9.2 times")

    step = notebook.output("with_button('Once")
    expect(step).to_contain_text("A step: done in")
    step.get_by_role("button", name="Once more").click()
    expect(step).to_contain_text("A step: done in")
    expect(step).not_to_contain_text("about 1 s")

    quiz = notebook.output('quiz("Rate')
    row = {text: quiz.locator(".widget-hbox", has_text=text) for text in ("160 ms", "400 ms")}
    row["160 ms"].get_by_role("button").click()
    expect(quiz).to_contain_text("That multiplies; divide. Try again.")
    row["400 ms"].get_by_role("button").click()
    expect(quiz).to_contain_text("Right: 8 / 20 = 0.4 s.")
    expect(quiz).not_to_contain_text("That multiplies")


def test_a_blank_lab_says_not_done_yet_and_a_check_sees_what_was_written_since(
    browser: BrowserContext, server: Server
) -> None:
    notebook = Notebook.open(browser, server, "blank.ipynb")
    notebook.run_all()
    for task in TASKS:
        expect(notebook.output(f'check("{task}"')).to_contain_text(f"✗ {task}: Not done yet")
    postprocess = notebook.output('check("postprocess"')
    postprocess.get_by_role("button", name="Check again").click()
    expect(postprocess).to_contain_text("✓ postprocess: right on every input tried")
    expect(postprocess).not_to_contain_text("Not done yet")


def test_a_solved_task_passes(browser: BrowserContext, server: Server) -> None:
    notebook = Notebook.open(browser, server, "solved.ipynb")
    notebook.run_all()
    preprocess = notebook.output('check("preprocess"')
    expect(preprocess).to_contain_text("✓ preprocess: right on every input tried")
    expect(preprocess.get_by_role("button", name=re.compile("Check again"))).to_be_enabled()


def test_links_lead_onwards_without_leaving_jupyterlab(
    browser: BrowserContext, server: Server
) -> None:
    page = Notebook.open(browser, server, "notebooks/welcome.ipynb").page
    title = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").get_by_role("heading", level=1)
    page.get_by_role("link", name="Lab 1", exact=True).click()
    expect(title).to_contain_text("Lab 1: ")
    lab = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    lab.get_by_role("link", name=re.compile(r"^1\.\d")).last.click()
    expect(title).to_contain_text(re.compile(r"^1\.\d"))
