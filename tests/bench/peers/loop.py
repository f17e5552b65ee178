"""One small evaluation after another in one process: `python loop.py SUBJECT TIMES FILE`.

A script without imports of the project's own, so that it runs with whatever lossctl is installed beside its Python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

Values = dict[str, float]


def lossctl_files(file: str) -> Callable[[], Values]:
    import lossctl

    def work() -> Values:
        report = lossctl.evaluate(file, target="y", pred="a", losses=["mse", "mae"])
        return {cell.loss: cell.value for cell in report.cells}

    return work


def lossctl_arrays(file: str) -> Callable[[], Values]:
    import lossctl

    data = columns(file)

    def work() -> Values:
        report = lossctl.evaluate(data, target="y", pred="a", losses=["mse", "mae"])
        return {cell.loss: cell.value for cell in report.cells}

    return work


def lossctl_functions(file: str) -> Callable[[], Values]:
    import lossctl

    data = columns(file)
    mse, mae = lossctl.get("mse"), lossctl.get("mae")
    return lambda: {loss.name: loss(target=data["y"], pred=data["a"]) for loss in (mse, mae)}


def sklearn_files(file: str) -> Callable[[], Values]:
    import pandas as pd
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    def work() -> Values:
        frame = pd.read_csv(file, usecols=["y", "a"])
        return {"mse": mean_squared_error(frame["y"], frame["a"]), "mae": mean_absolute_error(frame["y"], frame["a"])}

    return work


def sklearn_functions(file: str) -> Callable[[], Values]:
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    data = columns(file)
    return lambda: {
        "mse": mean_squared_error(data["y"], data["a"]),
        "mae": mean_absolute_error(data["y"], data["a"]),
    }


def columns(file: str) -> dict[str, Any]:
    """The arrays of target and predictions."""
    import numpy as np

    table = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(1, 2))
    return {"y": table[:, 0].copy(), "a": table[:, 1].copy()}


SUBJECTS = {
    work.__name__: work for work in (lossctl_files, lossctl_arrays, lossctl_functions, sklearn_files, sklearn_functions)
}


def main() -> None:
    subject, times, file = sys.argv[1:]
    work = SUBJECTS[subject](file)
    for _ in range(int(times)):
        values = work()
    print(json.dumps({"a": values}))


if __name__ == "__main__":
    main()
