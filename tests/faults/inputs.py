"""The inputs that all cases share: one small table in every format, reports, a configuration and weights."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 40
MSE = "-t y -p p -l mse -f value"


def make(folder: Path) -> None:
    """Write them."""
    rows = np.arange(ROWS)
    target, pred = rows % 7 * 1.5, rows % 5 * 2.0
    lines = "".join(f"{row},{y},{p}\n" for row, y, p in zip(rows, target, pred, strict=True))
    (folder / "rows.csv").write_text("k,y,p\n" + lines)
    (folder / "rows.csv.gz").write_bytes(gzip.compress(("k,y,p\n" + lines).encode(), mtime=0))
    (folder / "preds.csv").write_text("k,p\n" + "".join(f"{row},{p + 1}\n" for row, p in zip(rows, pred, strict=True)))
    records = (json.dumps({"k": int(k), "y": y, "p": p}) for k, y, p in zip(rows, target, pred, strict=True))
    (folder / "rows.jsonl").write_text("".join(f"{record}\n" for record in records))
    table = pa.table({"k": rows, "y": target, "p": pred})
    pq.write_table(table, folder / "rows.parquet")
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    np.save(folder / "target.npy", target)
    np.save(folder / "pred.npy", pred)
    np.savez(folder / "rows.npz", y=target, p=pred)
    np.savez_compressed(folder / "packed.npz", y=target, p=pred)
    (folder / "parts").mkdir()
    (folder / "parts/part-1.csv").write_text("k,y,p\n" + lines)
    (folder / "settings.toml").write_text('target = "y"\npred = ["p"]\nlosses = ["mse"]\nformat = "value"\n')
    labels = ("a", "b", "c")
    classes = "".join(f"{labels[row % 3]},0.5,0.25,0.25\n" for row in rows)
    (folder / "classes.csv").write_text("y,p_a,p_b,p_c\n" + classes)
    (folder / "weights.json").write_text('{"a": 1, "b": 2, "c": 3}\n')
    (folder / "old.txt").write_text("an older result\n")
