"""The papermill engine that runs the course: limits, progress, forked kernels, no stall.

    papermill.execute_notebook(path, None, engine_name="inference-lab",
                               save_to=executed, cell_timeout_s=120, on_cell=progress)

papermill loads this module when it is imported itself (`pyproject.toml` registers the engine), so
everything here that needs papermill imports it late.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode

from lab_utils.errors import LabError

if TYPE_CHECKING:
    from lab_utils.course.run.client import LabClient, OnCell

DEFAULT_CELL_TIMEOUT_S = 120.0


class LabEngine:
    """papermill's "inference-lab" engine: `LabClient` behind papermill's interface."""

    client: LabClient | None = None
    """The one at work in this process, for a signal's handler."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        *,
        save_to: str | Path | None = None,
        start_timeout: int = 60,
        fork_address: str = "",
        threads: int | None = None,
        cell_timeout_s: float = DEFAULT_CELL_TIMEOUT_S,
        on_cell: OnCell | None = None,
        kernel_log: Path | None = None,
        **_: Any,
    ) -> Any:
        """Run the notebook and give it back, errors in its outputs.

        save_to: where it is kept while it runs and afterwards, default papermill's own output.
        The other options are `LabClient`'s; papermill's own that are not named here do nothing.
        """
        from lab_utils.course.run.client import LabClient, SavingManager

        if cell_timeout_s <= 0:
            raise LabError(f"The limit for a cell is {cell_timeout_s:g} s; expected more than 0.")
        kept = save_to or output_path
        manager = SavingManager(nb, Path(kept) if kept else None)
        manager.notebook_start()
        cls.client = LabClient(
            manager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            fork_address=fork_address,
            threads=threads,
            cell_timeout_s=cell_timeout_s,
            on_cell=on_cell,
            kernel_log=kernel_log,
        )
        try:
            cls.client.execute()
        finally:
            cls.client = None
            manager.notebook_complete()
            manager.save_now()
        return manager.nb

    @classmethod
    def nb_kernel_name(cls, nb: NotebookNode, name: str | None = None) -> Any:
        """The kernel that the notebook asks for."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: NotebookNode, language: str | None = None) -> Any:
        """The language that the notebook is written in."""
        from papermill.utils import nb_language

        return nb_language(nb, language)
