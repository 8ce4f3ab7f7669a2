"""Take the README's picture of lesson 1.1 again: `python -m tests.browser.take_screenshot`.

The lesson is run in JupyterLab as far as its first measurement, as a learner runs it: the guess is
made before. Takes about half a minute; close what else is at work, since the figures in the
picture are real.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from lab_utils.files import ROOT, write_bytes
from tests.browser.lab_browser import Notebook, chromium, jupyterlab

LESSON = Path("notebooks/1_resnet_service/01_the_life_of_a_request.ipynb")
PICTURE = ROOT / "data" / "pictures" / "lesson_1_1.png"
SIZE = (1000, 1168)
SCALE = 2
GUESS_S = "1"
COLOURS = 128
"""Enough for text and flat bars, and a quarter of the bytes of full colour."""


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        (Path(folder) / LESSON).parent.mkdir(parents=True)
        shutil.copy(ROOT / LESSON, Path(folder) / LESSON)
        with jupyterlab(Path(folder)) as server, chromium(SIZE, SCALE) as browser:
            taken = _take(Notebook.open(browser, server, LESSON.as_posix()))
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    stream = io.BytesIO()
    picture.quantize(COLOURS).save(stream, "PNG", optimize=True)
    write_bytes(PICTURE, stream.getvalue())
    print(f"{PICTURE.relative_to(ROOT)}: {picture.size}, {len(stream.getvalue()) / 1e3:.0f} kB")


def _take(notebook: Notebook) -> bytes:
    page = notebook.page
    measured = notebook.code_cell("cold_start(requests")
    measured.click()
    notebook.menu("Run", "Run All Above Selected Cell")
    asked = notebook.output("first_answer = predict(")
    asked.get_by_placeholder("a number").fill(GUESS_S)
    asked.get_by_role("button", name="Keep my guess").click()
    expect(asked).to_contain_text("Kept:")
    measured.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(notebook.output("cold_start(requests")).to_contain_text("You guessed")
    page.keyboard.press("Control+b")  # folds the file browser
    heading = page.get_by_role("heading", name="The very first answer")
    heading.evaluate("element => element.scrollIntoView()")
    return page.screenshot()


if __name__ == "__main__":
    main()
