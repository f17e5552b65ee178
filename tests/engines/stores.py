"""`make engines`: 200 objects of an S3 server are what they are as files; one is slow, changes, or is denied.

The server is that of moto, on the loopback, with faults put before it.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

import lossctl
from lossctl import DataError
from lossctl.io import stores

OBJECTS, ROWS = 200, 5_000
PART = "data/day={}/region=eu%3A1/part-0.parquet"
ODD = PART.format(100)
OPTIONS: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "mae"], "weight": "w", "by": ["day", "region"]}


class Faults:
    """A server of S3 before which something happens to the requests for one object."""

    def __init__(self) -> None:
        self.serve = DomainDispatcherApplication(create_backend_app)
        self.requests = Counter[str]()
        self.fault: Callable[[int, str], str | None] = lambda place, method: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        method = environ["REQUEST_METHOD"]
        self.requests[method] += 1
        if environ["PATH_INFO"].endswith(ODD.replace("%3A", ":")) or environ["PATH_INFO"].endswith(ODD):
            self.requests["odd"] += 1
            status = self.fault(self.requests["odd"], method)
            if status is not None:
                start_response(status, [("Content-Length", "0")])
                return [b""]
        return self.serve(environ, start_response)

    @contextmanager
    def of(self, fault: Callable[[int, str], str | None]) -> Iterator[None]:
        """Let a fault happen; it takes how often the object was asked for, and how, and returns a status or nothing."""
        self.requests.clear()
        self.fault = fault
        try:
            yield
        finally:
            self.fault = lambda place, method: None


def write_data(folder: Path) -> None:
    """Write the objects as files."""
    rng = np.random.default_rng(18)
    for place in range(OBJECTS):
        y = rng.normal(10.0, 3.0, ROWS)
        columns = {"y": y, "p": y + rng.normal(0.0, 1.0, ROWS), "w": rng.integers(0, 4, ROWS).astype(float)}
        path = folder / PART.format(place)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), path, row_group_size=2_000)


def told(address: str, **options: Any) -> tuple[Any, ...]:
    """Return what a run says of all numbers and of the data."""
    report = lossctl.evaluate(address, **{**OPTIONS, **options})
    document = json.loads(report.to_json())
    return document["results"], document["inputs"][0]["data"]


def refusal(address: str) -> str:
    """Return the one line of an error."""
    try:
        lossctl.evaluate(address, **OPTIONS)
    except DataError as error:
        return str(error)
    raise SystemExit("nothing was refused")


def main() -> None:
    """Put the objects into the server, and judge each fault."""
    faults = Faults()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells of every request
    server = make_server("127.0.0.1", 0, faults, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    names = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    os.environ.update(names, AWS_ENDPOINT_URL_S3=endpoint, AWS_REGION="us-east-1")
    store = fs.S3FileSystem(endpoint_override=endpoint, allow_bucket_creation=True)
    store.create_dir("lake")
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        fs.copy_files(folder, "lake", fs.LocalFileSystem(), store)
        started = time.monotonic()
        files = told(f"{folder}/data")
        print(f"files                              {time.monotonic() - started:6.1f} s", flush=True)

    def same(name: str) -> None:
        started = time.monotonic()
        assert told("s3://lake/data") == files, name
        print(f"{name:32} {time.monotonic() - started:8.1f} s   same bits, {dict(faults.requests)}", flush=True)

    def refused(name: str, text: str) -> None:
        started = time.monotonic()
        line = refusal("s3://lake/data")
        assert line.startswith(f"s3://lake/{ODD}: "), line
        assert text in line, line
        assert "\n" not in line, line
        print(f"{name:32} {time.monotonic() - started:8.1f} s   {line}", flush=True)

    def slow(place: int, method: str) -> str | None:
        time.sleep(2.0)
        return "503 Slow Down" if place <= 2 else None

    def changing(place: int, method: str) -> str | None:
        if place == 6:  # while its rows are read
            with store.open_input_file(f"lake/{ODD}") as file:
                content = file.read()
            with store.open_output_stream(f"lake/{ODD}") as stream:
                stream.write(content + b"more")
        return None

    def hanging(place: int, method: str) -> str | None:
        time.sleep(60.0)
        return "500 Late"

    with faults.of(lambda place, method: None):
        same("objects")
        small, stores.SMALL = stores.SMALL, 0
        same("objects by ranges")
        stores.SMALL = small
    with faults.of(slow):
        same("one slow, failing twice")
    with faults.of(lambda place, method: "403 Forbidden"):
        refused("one without permission", "permission")
    with faults.of(lambda place, method: "403 Forbidden" if method == "GET" else None):
        refused("one that may only be listed", "permission")
    stores.ANSWERING, stores.TRIES = 2, 2
    with faults.of(hanging):
        refused("one that never answers", "did not answer in time")
    with faults.of(changing):
        refused("one that changes", "changed while it was read")
    assert refusal("s3://nowhere/data").startswith("s3://nowhere/data: there is no bucket 'nowhere'")
    print("the same bits from a store")


if __name__ == "__main__":
    main()
