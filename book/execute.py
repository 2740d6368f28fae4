"""Run a chapter once, in a kernel of this very Python, and return its outputs and what it used."""

import asyncio
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from book.outputs import normalised
from book.project import HERE, BuildError, Project
from book.source import Chapter

CELL_TIMEOUT = 180  # seconds
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # two spinning threads on a busy machine took five times the CPU
    "TQDM_DISABLE": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
PROLOGUE = "__import__('book.recorder').recorder.start()"
EPILOGUE = "print(__import__('book.recorder').recorder.report())"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """Outputs of the setup cell and of each code cell; ``vlmlearn`` modules loaded and data files read."""

    setup: list[dict[str, Any]]
    outputs: list[list[dict[str, Any]]]
    modules: list[str]
    data: list[str]


def environment(project: Project) -> dict[str, str]:
    """The environment variables of every kernel that builds or tests a notebook."""
    paths = [str(project.root), str(HERE), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(chapter: Chapter, project: Project, setup: str) -> Run:
    """Run ``setup`` and the code of ``chapter`` in a new kernel, in an empty folder.

    Raises:
        BuildError: naming chapter and cell when one raises, takes more than ``CELL_TIMEOUT`` or kills the
            kernel, or when the kernel's ``vlmlearn`` is not the project's.
    """
    sources = [PROLOGUE, setup, *(code.program for code in chapter.code), EPILOGUE]
    places = [
        "its hidden first cell",
        "its setup cell",
        *(c.where for c in chapter.code),
        "its hidden last cell",
    ]
    outputs = [normalised(cell) for cell in _execute(chapter.name, sources, places, environment(project))]
    used = json.loads(outputs.pop()[0]["text"])
    if Path(used["folder"]) != (project.root / "vlmlearn").resolve():
        raise BuildError(
            f"{chapter.name}: its kernel loaded vlmlearn from {used['folder']}, not from the project"
        )
    return Run(outputs[1], outputs[2:], used["modules"], used["data"])


class _ThisPython(KernelSpecManager):
    """Knows one kernel, the Python that runs the builder, whatever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(**ipykernel.kernelspec.get_kernel_dict())


def _execute(name: str, sources: list[str], places: list[str], env: dict[str, str]) -> list[Any]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    manager = AsyncKernelManager(kernel_spec_manager=_ThisPython())
    quiet = ["--IPKernelApp.log_level=ERROR"]  # the kernel's own log, not what the chapter writes
    client = NotebookClient(notebook, km=manager, timeout=CELL_TIMEOUT, extra_arguments=quiet)
    with tempfile.TemporaryDirectory() as folder:
        env = {**env, "IPYTHONDIR": folder}  # no start-up files of whoever builds
        with client.setup_kernel(cwd=folder, env=env, cleanup_kc=True):
            for index, (cell, place) in enumerate(zip(notebook.cells, places, strict=True)):
                try:
                    client.execute_cell(cell, index)
                except CellTimeoutError:
                    raise BuildError(f"{place}: took more than {CELL_TIMEOUT} s") from None
                except CellExecutionError as error:
                    raise BuildError(
                        f"{place}: raised an error\n{COLOURS.sub('', error.traceback)}"
                    ) from None
                except (DeadKernelError, asyncio.CancelledError):
                    raise BuildError(f"{place}: the kernel died") from None
    return [cell.outputs for cell in notebook.cells]
