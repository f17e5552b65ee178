"""Stores of objects: what an address such as s3://bucket/folder names, through pyarrow.fs; every wait has an end."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import fs

from lossctl.errors import DataError, UsageError, printable
from lossctl.files import explained
from lossctl.io.source import SNIFFED, Source, spooled

Answer = TypeVar("Answer")

CONNECTING, ANSWERING, TRIES = 10, 30, 5  # seconds for a connection and for an answer; how often each is tried
PATIENCE: Final = 300  # seconds for all tries of one question
CREDENTIALS: Final = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or AZURE_STORAGE_KEY",
    "hdfs": "kinit, or HADOOP_USER_NAME",
}
SMALL = 1 << 23  # bytes of an object that is read at once
AZURE_HOSTS: Final = ("dfs.core.windows.net", "blob.core.windows.net")
# what a store says of a version of an object, in lower case
VERSION: Final = {"content-length", "etag", "last-modified", "generation", "metageneration", "updated", "versionid"}
FAULT: Final = re.compile(r"AWS Error|curlCode|google::cloud|GOOGLE|GCS|Azure|HDFS|hdfs")
DENIED: Final = re.compile(
    r"ACCESS_DENIED|PERMISSION_DENIED|UNAUTHENTICATED|Authoriz|Authentic|INVALID_ACCESS_KEY|40[13]\b"
)
LATE: Final = re.compile(r"curlCode: 28|REQUEST_TIMEOUT|[Tt]imed? ?out|DEADLINE")


class Place(NamedTuple):
    """An object, or a folder of them: its store, its path there, and its address, which is its name in messages."""

    store: fs.FileSystem
    path: str
    address: str

    @property
    def scheme(self) -> str:
        """The scheme of the address, one for all of its spellings."""
        return self.address.partition(":")[0].replace("abfss", "abfs")

    def part(self, path: str) -> Place:
        """Return an object in this folder."""
        return Place(self.store, f"{self.path}/{path}", f"{self.address}/{path}")

    def files(self) -> Sequence[str] | None:
        """Return the objects in a folder by their paths from it, None where this is an object."""
        with self.answering():
            info = answered(lambda: self.store.get_file_info(self.path))
            if info.type == fs.FileType.File:
                return None
            if info.type == fs.FileType.NotFound:
                bucket = self.path.partition("/")[0]
                if self.scheme == "hdfs" or _exists(self.store, bucket):
                    raise DataError(f"{printable(self.address)}: there is no such object or folder")
                raise DataError(
                    f"{printable(self.address)}: there is no bucket {printable(bucket)!r}, or none that is shown "
                    f"with these credentials: {CREDENTIALS[self.scheme]}"
                )
            selector = fs.FileSelector(self.path, recursive=True)
            infos = answered(lambda: self.store.get_file_info(selector))
        return [info.path[len(self.path) + 1 :] for info in infos if info.type == fs.FileType.File]

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raise DataError, in one line, for what a store refuses or cannot do."""
        try:
            yield
        except OSError as error:
            raise DataError(f"{printable(self.address)}: {self.words(error)}") from None

    def words(self, error: OSError) -> str:
        """Word an error of a store in one line, in which no credentials can be."""
        text = str(error).partition("\n")[0]
        if isinstance(error, FileNotFoundError):
            return "there is no such object"
        if "NO_SUCH_BUCKET" in text:
            return "there is no such bucket"
        if isinstance(error, PermissionError) or DENIED.search(text):
            return f"the store gives no permission to read it; credentials come by {CREDENTIALS[self.scheme]}"
        if error.errno == errno.ETIMEDOUT or LATE.search(text):
            return "the store did not answer in time"
        if curl := re.search(r"curlCode: \d+, ([^;(]*)", text):
            return f"the store cannot be reached: {printable(curl[1].strip())}"
        if aws := re.search(r"AWS Error (\w+( \(HTTP status \d+\))? during \w+)", text):
            return f"the store failed: {aws[1]}"
        return f"the store failed: {printable(explained(error))[:200]}"


def _exists(store: fs.FileSystem, path: str) -> bool:
    kind = answered(lambda: store.get_file_info(path)).type
    return bool(kind != fs.FileType.NotFound)


def answered(question: Callable[[], Answer]) -> Answer:
    """Return the answer of a store, which is waited for in a way that Ctrl-C and a timeout end."""
    answers, errors = list[Answer](), list[BaseException]()

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:  # raised below
            errors.append(error)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if errors and isinstance(errors[0], pa.ArrowException) and not isinstance(errors[0], OSError):
        raise OSError(str(errors[0]))  # as Azure has it
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return answers[0]


def located(address: str) -> Place:
    """Return the place of an address; raise UsageError, without showing them, for credentials in it."""
    scheme, _, place = address.partition("://")
    family = "abfs" if scheme == "abfss" else scheme
    authority, _, path = place.partition("/")
    by_user = ":" in authority.rpartition("@")[0] if family == "abfs" else "@" in authority
    if by_user or (":" in authority and family != "hdfs"):
        raise UsageError(
            f"{scheme}://...: an address holds no user and no password; credentials come by {CREDENTIALS[family]}"
        )
    if parameter := re.search(r"\?(\w*)", place):
        endpoint = "; the endpoint and the region by AWS_ENDPOINT_URL and AWS_REGION" if scheme == "s3" else ""
        raise UsageError(
            f"{printable(address.partition('?')[0])}: an address holds no parameters, as {parameter[1]!r} behind ?; "
            f"credentials come by {CREDENTIALS[family]}{endpoint}"
        )
    address = address.rstrip("/")
    if not authority and family != "hdfs":
        raise UsageError(f"{printable(address)}: names no bucket, as in {scheme}://BUCKET/FOLDER")
    container, _, host = authority.rpartition("@")
    try:
        store = answered(lambda: connected(family, authority if family != "abfs" else host))
    except (OSError, ImportError, pa.ArrowException, ValueError) as error:
        reason = Place(fs.LocalFileSystem(), "", address).words(
            error if isinstance(error, OSError) else OSError(str(error))
        )
        raise DataError(f"{printable(address)}: {reason}") from None
    bucket = "" if family == "hdfs" else container or authority
    return Place(store, f"{bucket}/{path}".rstrip("/"), address)


def connected(family: str, authority: str) -> fs.FileSystem:
    """Return the store of an address, with the credentials of the environment and waits that end."""
    environment = os.environ
    if family == "s3":
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if not endpoint and not region:
            region = fs.resolve_s3_region(authority)
        return fs.S3FileSystem(
            region=region,
            endpoint_override=endpoint,
            connect_timeout=CONNECTING,
            request_timeout=ANSWERING,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
        )
    if family == "gs":
        emulated = "CLOUD_STORAGE_EMULATOR_ENDPOINT" in environment  # which asks for no credentials
        return fs.GcsFileSystem(anonymous=emulated, retry_time_limit=timedelta(seconds=ANSWERING * TRIES))
    if family == "abfs":
        account, _, host = authority.partition(".")
        account = account or environment.get("AZURE_STORAGE_ACCOUNT", "")
        if host not in ("", *AZURE_HOSTS) or not account:
            raise ValueError("an address is abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER")
        key, token = environment.get("AZURE_STORAGE_KEY"), environment.get("AZURE_STORAGE_SAS_TOKEN")
        return fs.AzureFileSystem(account, account_key=key, sas_token=None if key else token)
    host, _, port = authority.partition(":")
    return fs.HadoopFileSystem(host or "default", int(port or 0))


class StoredSource(Source):
    """An object in a store: known by what the store says of its version, and read by ranges or from start to end."""

    buffer_bytes = 1 << 22  # every read is a question

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = place.address
        self.label = printable(place.address)
        with place.answering():
            file, version, start = answered(self._opened)
        with file:
            self._identify(start, file.size(), version, place.path)

    def _opened(self, sniffed: int = SNIFFED) -> tuple[pa.NativeFile, tuple[Any, ...], bytes]:
        """Open the object; return it with its version and its first bytes."""
        file = self.place.store.open_input_file(self.place.path)
        facts = {key: value for key, value in (file.metadata() or {}).items() if _plain(key).lower() in VERSION}
        version: tuple[Any, ...] = tuple(sorted((_plain(key), _plain(value)) for key, value in facts.items()))
        if not version:
            version = (file.size(), self.place.store.get_file_info(self.place.path).mtime_ns)
        start = file.read(sniffed) if sniffed else b""
        file.seek(0)
        return file, version, start

    def file(self) -> pa.NativeFile:
        with self.place.answering():
            try:
                file, version, _ = answered(lambda: self._opened(0))
            except OSError as error:
                self.unchanged(error)
                raise
        self._compare(version)
        if file.size() <= SMALL:  # one question is faster than one for each page
            with self.reading(), file:
                file = pa.BufferReader(answered(file.read_buffer))
        self._file = file
        return file

    def _now(self) -> tuple[Any, ...] | None:
        with self.place.answering():
            try:
                return answered(lambda: self._opened(0))[1]
            except FileNotFoundError:
                return None

    def content(self, stride: int) -> str:
        """Return what the store says of the version, wherever that comes from the content."""
        facts = {pair[0].lower(): pair[1] for pair in self.stamp if isinstance(pair, tuple)}
        return str(facts.get("etag") or facts.get("generation") or self.stamp)

    def _failed(self, error: Exception | None) -> str:
        is_fault = isinstance(error, OSError) and (error.errno is not None or FAULT.search(str(error)))
        return self.place.words(error) if is_fault and isinstance(error, OSError) else ""


def _plain(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def source_of(place: Place) -> Source:
    """Return an object as what is read; an array is copied to a temporary file first, as NumPy reads files only."""
    source = StoredSource(place)
    if source.format not in ("npy", "zip"):
        return source
    with source.reading(), source.file() as file:
        copy = spooled(file, source.label, place.path)
    source.unchanged()
    return copy
