"""Atomic output: a file appears whole under its name, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from lossctl.errors import OutputError, UsageError
from lossctl.files import explained, is_same, local_path, open_pipe
from lossctl.interrupts import undisturbed

ROW_SUFFIXES = (".parquet", ".csv")


def check_rows_path(path: str) -> None:
    """Raise UsageError for a path of per-row losses that tells no format, or that is a pipe or device.

    What is no name at all, or a folder, `check_writable` says of any output.
    """
    if is_special(path):
        raise UsageError(f"--rows-out {path}: is no regular file; per-row losses are written to one")
    if path and not path.lower().endswith(ROW_SUFFIXES):
        raise UsageError(f"--rows-out {path}: the name must end in {' or '.join(ROW_SUFFIXES)}")


def check_writable(path: str, inputs: Sequence[str]) -> None:
    """Raise UsageError or OutputError early, before any work, for a path that cannot or must not be written.

    inputs: the paths that are read, `-` for standard input, and folders of which all files are.
    """
    if not path:
        raise UsageError("an output needs a name")
    if path == "-":
        raise UsageError("-: is standard output, which has the format of -f; a file of that name is ./-")
    try:
        entry = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        entry = None  # to be made, where a link that dangles leads to
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: {explained(error) if isinstance(error, OSError) else error}") from None
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    for source in map(local_path, inputs):
        if entry is not None and is_same(source, entry):
            raise UsageError(f"{path}: is an input too; it would be overwritten")
        if os.path.isdir(source) and (_is_part(target, os.path.realpath(source)) or _holds(source, entry)):
            raise UsageError(f"{path}: is an input, or would be one: it lies in the folder {source} that is read")
    if os.path.isdir(target):
        raise OutputError(f"{path}: is a folder")
    if not os.path.isdir(folder):
        raise OutputError(f"{path}: there is no folder {folder}")
    if not os.access(target if entry is not None else folder, os.W_OK):
        raise OutputError(f"{path}: permission denied")
    if entry is not None and stat.S_ISFIFO(entry.st_mode) and path not in _pipes:
        with writing(path):
            _pipes[path] = open_pipe(path)


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Raise OutputError where the operating system cannot write a file."""
    try:
        yield
    except OSError as error:
        raise error if isinstance(error, OutputError) else OutputError(f"{path}: {error.strerror or error}") from None


_pipes: dict[str, int] = {}  # open from the check on: a reader that sees its only writer go takes that for the end


def _is_part(target: str, folder: str) -> bool:
    """Whether a file would be a part of the table in a folder, or lies beside its parts."""
    from lossctl.io.open import is_hidden

    above, _, names = os.path.dirname(target).partition(folder)
    return (
        not above
        and names[:1] in ("", os.sep)
        and not any(is_hidden(name, folder=True) for name in names.split(os.sep))
    )


def _holds(folder: str, entry: os.stat_result | None) -> bool:
    """Whether one of the files below a folder is that of which this is the status, by another name."""
    return entry is not None and any(
        is_same(os.path.join(place, name), entry) for place, _, names in os.walk(folder) for name in names
    )


def is_special(path: str) -> bool:
    """Whether a path is a pipe or device, which is written to and never replaced."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # it may be a device, which must not be replaced
        raise OutputError(f"{path}: {explained(error)}") from None
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Give a temporary name beside `path`; afterwards flush it to disk and rename it, or remove it on failure."""
    import tempfile

    target = os.path.realpath(path)
    with writing(path), undisturbed() as names:
        handle, temporary = tempfile.mkstemp(prefix=".lossctl-", dir=os.path.dirname(target))
        names.add(temporary)
    try:
        with writing(path):
            os.fchmod(handle, _mode(target))
            yield temporary
            os.fsync(handle)
            with undisturbed():
                os.replace(temporary, target)
            _sync_folder(os.path.dirname(target))
    finally:
        with undisturbed() as names:
            with suppress(OSError):
                os.unlink(temporary)
            names.discard(temporary)  # last: without memory for the call above, it still goes with the process
        with suppress(OSError):  # what was written is on the disk, or given up
            os.close(handle)


def _mode(target: str) -> int:
    """Keep an old file's mode; give a new one what the umask leaves."""
    with suppress(OSError):
        return stat.S_IMODE(os.stat(target).st_mode)
    return 0o666 & ~_umask()


def _umask() -> int:
    """Read the process's umask, without changing it where the system tells."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        with suppress(OSError):
            os.close(handle)


def write_text(path: str, text: str | Iterator[str]) -> None:
    """Write a text, or its pieces, to a file atomically; to pipes and devices directly."""
    write_bytes(path, (piece.encode() for piece in ([text] if isinstance(text, str) else text)))


def write_bytes(path: str, pieces: Iterable[bytes]) -> None:
    """Write bytes in pieces to a file atomically; to pipes and devices directly."""
    if is_special(path):
        with writing(path), open(_pipes.pop(path, path), "wb") as file:
            file.writelines(pieces)
        return
    with replacing(path) as temporary:
        with undisturbed():
            file = open(temporary, "wb")  # noqa: SIM115  # closed below
        with file:
            file.writelines(pieces)


def append_text(path: str, text: str | Iterator[str]) -> None:
    """Add a text, or its pieces, to the end of a file, after a blank line if it holds something; or add nothing."""
    if is_special(path):
        write_text(path, text)
        return
    addition = text if isinstance(text, str) else "".join(text)
    with writing(path), open(path, "ab", buffering=0) as file:
        size = file.tell()
        content = memoryview(("\n" * bool(size) + addition).encode())
        try:
            while content:
                content = content[file.write(content) :]
        except OSError:
            file.truncate(size)
            raise
