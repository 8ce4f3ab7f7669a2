"""A real JupyterLab in a real Chromium, as a learner has them before them.

    with jupyterlab(folder) as server, chromium() as browser:
        notebook = Notebook.open(browser, server, "lesson.ipynb")
        notebook.run_all()

Everything is temporary: settings, history and profile are in folders that are removed, and all
processes end with the block. Nothing here waits for a fixed time.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from lab_utils.cli.start import jupyterlab as jupyterlab_command
from lab_utils.components.process import Process

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
LIMIT_S = 120
"""For every wait: long, since the machine may be busy; a wait ends when its condition holds."""
SMALL_SCREEN = (1200, 800)
EXECUTED = re.compile(r"\[\d+\]:")


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Server:
    """Where a JupyterLab answers."""

    url: str
    token: str


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Server]:
    """JupyterLab with the course's settings on a folder; it and its kernels end with the block."""
    with tempfile.TemporaryDirectory(prefix="jupyter-") as own, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16))
        command, environment = jupyterlab_command(folder, port)
        environment |= {f"JUPYTER_{kind}_DIR": f"{own}/{kind}" for kind in ("CONFIG", "DATA")}
        environment |= {"JUPYTER_RUNTIME_DIR": f"{own}/RUNTIME", "JUPYTER_TOKEN": server.token}
        environment |= {"IPYTHONDIR": f"{own}/ipython"}
        environment.pop("INFERENCE_LAB_HEADLESS", None)
        with Process(
            "JupyterLab",
            [*command, "--no-browser", "--ServerApp.port_retries=0"],
            ready=lambda: _answers(server),
            environment=environment,
            folder=folder,
            start_timeout_s=LIMIT_S,
        ):
            yield server


def _answers(server: Server) -> bool:
    request = urllib.request.Request(
        f"{server.url}/api/status", headers={"Authorization": f"token {server.token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def chromium(size: tuple[int, int] = SMALL_SCREEN, scale: float = 1) -> Iterator[BrowserContext]:
    """A browser window without a screen; `scale` is its device pixels for each CSS pixel."""
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*SWITCHES, *sandbox]
        )
        try:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]}, device_scale_factor=scale
            )
            context.set_default_timeout(1e3 * LIMIT_S)
            expect.set_options(timeout=1e3 * LIMIT_S)
            yield context
        finally:
            browser.close()


class Notebook:
    """One notebook in a tab of its own."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def open(cls, browser: BrowserContext, server: Server, path: str) -> Self:
        """Open a notebook and wait until its kernel is ready ("Run All" does nothing before)."""
        page = browser.new_page()
        page.goto(f"{server.url}/lab/tree/{path}?token={server.token}&reset")
        notebook = cls(page)
        notebook.wait_until_idle()
        return notebook

    def wait_until_idle(self) -> None:
        """Wait for "| Idle" in the status bar."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def run_all(self) -> None:
        """Run > Run All Cells, until the last code cell whose source is not folded has ended."""
        self.menu("Run", "Run All Cells")
        unfolded = self.page.locator(".jp-CodeCell .jp-InputArea-prompt")
        expect(unfolded.last).to_have_text(EXECUTED)
        self.wait_until_idle()

    def menu(self, name: str, entry: str) -> None:
        """Choose an entry of a menu."""
        self.page.get_by_role("menuitem", name=name, exact=True).click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def code_cell(self, text: str) -> Locator:
        """The code cell whose source contains this text."""
        return self.page.locator(
            ".jp-CodeCell", has=self.page.locator(".jp-Cell-inputWrapper", has_text=text)
        )

    def output(self, text: str) -> Locator:
        """What the code cell whose source contains this text has shown."""
        return self.code_cell(text).locator(".jp-Cell-outputWrapper")
