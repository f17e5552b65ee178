"""Ended from outside: what Ctrl-C, SIGTERM and SIGHUP do to the command line, at any moment, once or more often.

The process removes the files that must not outlive it, and ends at once. It does not unwind: that would wait for
threads, could be interrupted anew, and could not begin before a long call of NumPy's returns. So the signals also go
to a thread of their own, which ends the process whatever the main thread is at.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Ending:
    """What stands between a signal and the end."""

    def __init__(self) -> None:
        self.heeded: set[int] = set()
        self.names: set[str] = set()  # of files that go with the process
        self.farewell = b""  # what gives a terminal its cursor back
        self.code: int | None = None  # that of the signal, while `lock` still keeps it from ending the process
        self.lock = Lock()
        self.abort: object = None  # the function in C that ends it where a library gives up


_ending = _Ending()


def watch() -> None:
    """End the process with 128 + the signal's number from now on; a signal that was ignored stays so, as by nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            _ending.heeded.add(number)
            signal.signal(number, lambda number, frame: _end(number))


def watch_long_calls() -> None:
    """Heed the signals within long calls, too: once there is work, as a second thread makes the start slower."""
    if os.name != "posix" or not _ending.heeded:
        return
    coming, going = os.pipe()
    os.set_blocking(going, False)
    signal.set_wakeup_fd(going, warn_on_full_buffer=False)

    def wait() -> None:
        while True:
            for number in os.read(coming, 1):
                if number in _ending.heeded:
                    _end(number)

    Thread(target=wait, name="lossctl-signals", daemon=True).start()


def _end(number: int) -> None:
    _ending.code = 128 + number
    if _ending.lock.acquire(blocking=False):  # else whoever has it ends the process when done
        leave(_ending.code)


def watch_aborts(code: int, line: str) -> None:
    """End the process with a code and a line where a library in C++ would abort it, as Arrow's do without memory.

    To be called where the address space is bounded: there is no other reason to abort that would be as likely.
    """
    import ctypes

    def end(number: int) -> None:
        with suppress(OSError):  # there is no standard error
            os.write(2, f"{line} ({signal.Signals(number).name})\n".encode())
        leave(code)

    _ending.abort = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    for number in (signal.SIGABRT, signal.SIGSEGV):
        ctypes.CDLL(None).signal(number, _ending.abort)


def leave(code: int) -> None:
    """End the process at once, without the files that go with it."""
    for name in tuple(_ending.names):
        with suppress(OSError):
            os.unlink(name)
    if _ending.farewell:
        with suppress(OSError):
            os.write(2, _ending.farewell)
    os._exit(code if _ending.code is None else _ending.code)


@contextmanager
def undisturbed() -> Iterator[set[str]]:
    """Put a signal off while a file comes or goes; gives the names of those that go with the process."""
    try:
        with _ending.lock:
            yield _ending.names
    finally:
        if _ending.code is not None:
            _end(_ending.code - 128)


def say_at_end(farewell: str) -> None:
    """Have this written to standard error if a signal ends the process."""
    _ending.farewell = farewell.encode()
