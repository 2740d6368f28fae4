"""Bounds around a learner's function: time it may take, and how much of what it prints is kept."""

import ctypes
import io
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

AGAIN = 0.2  # seconds after which code that swallowed the exception gets it once more
KEPT = 400  # characters


class OutOfTime(BaseException):
    """The time is up. No ``Exception``, so that ``except Exception`` does not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the body after ``seconds``, also out of an endless loop.

    In the main thread, where notebooks run, a signal does it; elsewhere, and on Windows, a second thread does,
    which cannot end a single call into C that takes long by itself.
    """
    main = threading.current_thread() is threading.main_thread()
    with _by_signal(seconds) if main and hasattr(signal, "setitimer") else _by_thread(seconds):
        yield


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise OutOfTime

    start = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's alarm, put back
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-3), interval)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    target = ctypes.c_ulong(threading.get_ident())
    done, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(OutOfTime))
            wait = AGAIN

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        with lock:  # an exception that has not arrived yet must not hit whoever comes next
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)


class Printed(io.TextIOBase):
    """A stream that keeps the first characters and counts the rest."""

    def __init__(self) -> None:
        self.start = ""
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.start += text[: KEPT - len(self.start)]
        self.count += len(text)
        return len(text)


@contextmanager
def captured_output() -> Iterator[Printed]:
    """What the body prints, to stdout or stderr, goes into the stream instead."""
    printed = Printed()
    with redirect_stdout(printed), redirect_stderr(printed):
        yield printed
