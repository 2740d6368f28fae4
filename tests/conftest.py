"""What every test gets: shapes and types checked at run time, and the option to run all notebooks.

Types. Every function and dataclass of ``vlmlearn`` is checked by jaxtyping and beartype while the tests run,
so an annotation that lies fails a test. ``VLMLEARN_TYPECHECK=0`` runs without, for benchmarks and profiling.

Bad input. With the checks on, a call with a wrong shape stops at ``jaxtyping.TypeCheckError`` before our own
code can speak. A test that wants *our* error is marked, alone or through its class or module:

    @pytest.mark.bad_input
    def test_features_of_different_width():
        with pytest.raises(ValueError, match="width 768"):
            clip_loss(torch.randn(4, 768), torch.randn(4, 512), 10.0)

    pytestmark = pytest.mark.bad_input  # a whole file

It works because jaxtyping asks ``config.jaxtyping_disable`` at every call: the marker sets it for the body of
the test (fixtures are still checked), and functions, methods and the ``__init__`` of dataclasses run bare.
A test that calls ``torch.compile(..., fullgraph=True)`` takes the same marker. For a few lines inside an
unmarked test, ask for the fixture ``types_unchecked`` and write ``with types_unchecked():``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping
import pytest

if os.environ.get("VLMLEARN_TYPECHECK", "1") != "0":
    jaxtyping.install_import_hook("vlmlearn", "beartype.beartype")  # before anything imports vlmlearn


@contextmanager
def _types_unchecked() -> Iterator[None]:
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="session")
def types_unchecked():
    """The context manager that switches the type checks off, for tests that need it for a few lines only."""
    return _types_unchecked


@pytest.fixture
def group_of_one(tmp_path):
    """A process group with this process alone in it: everything but the neighbours."""
    from datetime import timedelta

    import torch.distributed as dist

    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1, timeout=timedelta(seconds=60))
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Run the body of a test marked ``bad_input`` with the type checks off."""
    if item.get_closest_marker("bad_input") is None:
        return (yield)
    with _types_unchecked():
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-notebooks", action="store_true", help="run every notebook, not only the changed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bad_input: run without type checks, to meet our own error messages")
