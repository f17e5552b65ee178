"""Processes that start in no time: each is forked from one that has imported everything but plug-ins.

What runs in one has modules, environment, standard streams and working directory of its own, as a command that a shell
starts; only the half second of imports is spent once. `once` makes what all workers of a run share.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 60  # after which a process is ended


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


def forked(
    *arguments: str,
    cwd: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    piped: bytes | None = None,
    mixed: bool = False,
) -> Ended:
    """Run what `python ARGUMENTS` would, which begin with `-m lossctl` or `-c SCRIPT`.

    mixed: standard error goes where standard output does, as in a terminal.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with TemporaryDirectory() as name:
        pipe, out, err = (Path(name) / stream for stream in ("in", "out", "err"))
        err.touch()
        streams = [os.devnull if piped is None else str(pipe), str(out), str(out if mixed else err)]
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment), "streams": streams}
        if piped is not None:
            os.mkfifo(pipe)
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        if piped is not None:
            pipe.write_bytes(piped)
        code = int(server.stdout.readline())
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))


@cache
def _server() -> subprocess.Popen[str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("LOSSCTL_", "_LOSSCTL"))}
    plain["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"  # read when the commands are made, before any fork
    command = [sys.executable, "-m", "tests.warm"]
    server = subprocess.Popen(
        command, cwd=ROOT, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    atexit.register(server.communicate)
    return server


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of what several tests read, made by the first worker that asks for it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


# the process that is forked -----------------------------------------------------------------------------------


def _serve() -> None:
    """Answer each question, a line of JSON, with the code that its process ended with."""
    import lossctl
    from lossctl import registry
    from lossctl.__main__ import run

    within = (module.name for module in pkgutil.walk_packages(lossctl.__path__, "lossctl."))
    for name in (*within, "pyarrow.csv", "pyarrow.json", "pyarrow.parquet"):
        if name != "lossctl.plugins":
            importlib.import_module(name)
    with redirect_stdout(StringIO()):
        assert run(["losses", "show", "mse"]) == 0  # which loads what the command line itself takes
    registry.names()
    gc.freeze()  # or every process would copy what its first collection of garbage looks at
    assert "lossctl.plugins" not in sys.modules, "a process could not show that it does without"
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(arguments: list[str], cwd: str, environment: dict[str, str], streams: list[str]) -> None:
    """Be the process that was asked for, to its end."""
    signal.alarm(SECONDS)
    for number, (path, mode) in enumerate(
        zip(streams, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2), strict=True)
    ):
        os.dup2(os.open(path, mode), number)
    sys.stdin = os.fdopen(0)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    path = environment.get("PYTHONPATH", "")
    sys.path[:1] = [cwd, *(path.split(os.pathsep) if path else [])]
    importlib.invalidate_caches()
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    code: Any = 1
    try:
        if (kind, what) == ("-m", "lossctl"):
            from lossctl.__main__ import main

            main()
        assert kind == "-c"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
