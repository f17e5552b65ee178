"""Files and streams of the machine: whether there is one, reading without waiting, standard output kept for data."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from lossctl.errors import DataError, UsageError, printable
from lossctl.interrupts import undisturbed

DESCRIPTORS: Final = "/proc/self/fd"  # each by its number, where the system has them
GRACE: Final = 0.2  # seconds in which somebody may open the other end of a pipe
LONGEST: Final = 1 << 29  # bytes of a text that is read from a pipe as one
STEP: Final = 1 << 20  # bytes read at a time
AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def status(path: str) -> os.stat_result | None:
    """Return what is at a path, None for nothing; raise OSError where that cannot be told, as of a disk that fails."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES):
            return None  # what is named or guarded so is nothing that can be reached: whoever opens it says why
        raise


def exists(path: str) -> bool:
    """Whether there is something at a path; see `status`."""
    return status(path) is not None


def is_file(path: str) -> bool:
    """Whether there is a regular file at a path, or a link to one; see `status`."""
    entry = status(path)
    return entry is not None and stat.S_ISREG(entry.st_mode)


def present(paths: Iterable[str]) -> dict[str, bool]:
    """Return the paths at which there is something, if only a link that leads nowhere, and whether it is `is_file`."""
    entries = {path: status(path) for path in paths}
    return {
        path: entry is not None and stat.S_ISREG(entry.st_mode)
        for path, entry in entries.items()
        if entry is not None or os.path.islink(path)
    }


def is_folder(path: str) -> bool:
    """Whether there is a folder at a path, or a link to one; see `status`."""
    entry = status(path)
    return entry is not None and stat.S_ISDIR(entry.st_mode)


def local_path(path: str) -> str:
    """Return the path of an address of this machine, as file:///data/a.csv, and of all else the path itself."""
    if not path.startswith("file://") or exists(path):
        return path
    from urllib.parse import unquote

    host, slash, place = path.removeprefix("file://").partition("/")
    if host not in ("", "localhost") or not slash:
        raise UsageError(f"{printable(path)}: names a machine; a file of this one is file:///FOLDER/FILE")
    return "/" + unquote(place, errors="surrogateescape")


def is_same(source: str, entry: os.stat_result) -> bool:
    """Whether an input, `-` for standard input, is the regular file of which this is the status."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(entry.st_mode) and os.path.samestat(
            os.fstat(0) if source == "-" else os.stat(source), entry
        )
    return False


def path_of(value: object, name: str) -> str:
    """Return a path as text; raise UsageError for what is none. name: of the argument."""
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name}: a value of type {type(value).__name__} is not allowed; a path is needed")
    return os.fspath(value)


def _kind(path: str) -> int:
    """Return the kind of file at a path; raise OSError for none, and for what no path can be."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"is no path: {error}") from None


def open_file(path: str) -> IO[bytes]:
    """Open a regular file to read; raise OSError, at once, for what might keep its reader waiting."""
    kind = _kind(path)  # before it is opened: that alone may set a device going, or wait
    if kind != stat.S_IFREG:
        names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise OSError(errno.EINVAL, f"is {names.get(kind, 'a device')}, not a file")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | AT_ONCE))  # noqa: SIM115  # the caller's
    try:
        descriptor = file.fileno()
        if not os.fstat(descriptor).st_size and os.read(descriptor, 1):  # which a log might keep waiting
            raise OSError(errno.EINVAL, "is not a regular file, by its size of 0; copy what it holds to one")
        if not file.seekable():  # the machine failed when Python asked where the file is, which it tells nobody
            raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
    except OSError:
        file.close()
        raise
    return file


def read_file(path: str, most: int = -1, *, magic: bytes = b"") -> bytes:
    """Return what a file holds, or a pipe that somebody writes to, as that of `<(command)`.

    most: bytes of a file that are read, -1 for all. magic: see `read_text`.
    """
    if _kind(path) != stat.S_IFIFO:
        with open_file(path) as file:
            return file.read(most)
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | AT_ONCE)) as pipe:
        start = _first_bytes(pipe.fileno())
        os.set_blocking(pipe.fileno(), True)
        start = start or pipe.read(STEP)
        return read_text(pipe, start, magic=magic)


def read_text(stream: IO[bytes], start: bytes = b"", *, magic: bytes = b"") -> bytes:
    """Return a start and what a stream still holds; of what is no text, which may have no end, the first bytes.

    magic: how files begin that are read, too, though they are no text.
    """
    start = start or stream.read(STEP)
    if magic and start.startswith(magic):
        return start + stream.read()
    parts, size = [start], len(start)
    while b"\0" not in parts[-1] and (part := stream.read(STEP)):
        parts.append(part)
        size += len(part)
        if size > LONGEST:
            raise OSError(errno.EFBIG, f"is longer than {LONGEST >> 20} MiB, and may have no end")
    return b"".join(parts)


def _first_bytes(pipe: int) -> bytes:
    """Return what can be read of a pipe by now, once somebody has it open to write; raise OSError if nobody has."""
    import select

    ending = time.monotonic() + GRACE
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while True:
        try:
            if start := os.read(pipe, STEP):
                return start
        except BlockingIOError:  # somebody has, and is not ready yet
            return b""
        if poll.poll(0):  # somebody had, and wrote nothing
            return b""
        if time.monotonic() > ending:
            raise OSError(errno.EPIPE, "is a pipe that nobody writes to")
        time.sleep(GRACE / 20)


def open_pipe(path: str) -> int:
    """Open a pipe to write, and return its descriptor; raise OSError, soon, where nobody has it open to read."""
    ending = time.monotonic() + GRACE
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | AT_ONCE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > ending:
                raise OSError(errno.ENXIO, "is a pipe that nobody reads") from None
            time.sleep(GRACE / 20)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def standard_input() -> IO[bytes]:
    """Return standard input; raise UsageError where there is none that would end."""
    if sys.stdin is None:
        raise UsageError("- reads standard input, but it is closed")
    if sys.stdin.isatty():
        raise UsageError("- reads standard input, but it is a terminal; pipe a file into lossctl")
    return sys.stdin.buffer


def hold_standard_descriptors() -> None:
    """Fill the descriptors of standard streams that are closed, or whatever is opened next would stand for one.

    With a folder, which can neither be read nor written: who tries to hears of it.
    """
    while (descriptor := os.open("/", os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)


@contextmanager
def descriptor_aside() -> Iterator[None]:
    """Turn the descriptor of standard output to standard error, for what plug-ins and libraries in C print."""
    flush()
    try:
        stdout = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with suppress(OSError):  # there is no standard error
            os.dup2(2, 1)
        yield
    finally:
        flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def flush() -> None:
    """Write out what Python still buffers for standard output."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stdout__.flush()  # type: ignore[union-attr]  # None where there is none


def spool_file(prefix: str) -> tuple[IO[bytes], str]:
    """Create an unbuffered temporary file that goes with the process; return it and the path by which it is read.

    Where a descriptor has a path, no folder ever lists the file; elsewhere a signal that ends the process removes it.
    """
    import tempfile

    with undisturbed() as names:
        if os.path.isdir(DESCRIPTORS):
            file: IO[bytes] = tempfile.TemporaryFile(buffering=0, prefix=prefix)  # noqa: SIM115  # `drop_spool` closes
            return file, f"{DESCRIPTORS}/{file.fileno()}"
        named = tempfile.NamedTemporaryFile(buffering=0, prefix=prefix, delete=False)  # noqa: SIM115  # as above
        names.add(named.name)
        return named, named.name


def drop_spool(file: IO[bytes], path: str) -> None:
    """Remove a file of `spool_file`, which has served its turn."""
    with suppress(OSError):
        file.close()
    with undisturbed() as names, suppress(OSError):
        if path in names:
            os.unlink(path)
            names.remove(path)


def explained(error: OSError) -> str:
    """Word an operating system or Arrow error in one line."""
    text = error.strerror or str(error).splitlines()[0]
    if "Truncated compressed stream" in text:
        return "the compressed file is cut short"
    if "inflate failed" in text or "decompress" in text.lower():
        return f"the compressed file is corrupted ({text})"
    return text[0].lower() + text[1:] if text else type(error).__name__


@contextmanager
def descriptor_silenced(descriptor: int) -> Iterator[None]:
    """Let nothing be written to a descriptor, by processes that are started meanwhile neither, as long as they live."""
    saved, null = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


@contextmanager
def failing(label: str, fault: str = "") -> Iterator[None]:
    """Raise DataError for what the operating system cannot read, or cannot do at all."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{label}: {fault}{explained(error)}") from None
