"""The names of losses and metrics in eight libraries, and what lossctl says to each: `python -m tests.peers.names`.

`names.tsv` has them. In the environment of `make peers` they are read from the public modules of the libraries (with
`--write` into the file); LightGBM has no module that lists its metrics, so theirs are from its documentation.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from lossctl.errors import UsageError
from lossctl.registry import fold, loss_of, names

FILE: Final = Path(__file__).with_name("names.tsv")
LIBRARIES: Final = ("torch", "keras", "optax", "scikit-learn", "torchmetrics", "XGBoost", "LightGBM", "CatBoost")
TOOLS: Final = re.compile(  # what the modules hold beside losses and metrics
    r"_|get$|get_|(de)?serialize$|check_scoring|make_scorer|cluster$|functional$|np$|pd$|partial$|Loss$|Metric$|"
    r".*(Display|Wrapper|Tracker|Collection|Metric|BootStrapper)$|Mean$|Sum$|Running(Mean|Sum)$|QueryAverage$"
)
LIGHTGBM: Final = """
l1 regression_l1 mean_absolute_error mae l2 regression_l2 regression mean_squared_error mse rmse l2_root
root_mean_squared_error r2 quantile mape mean_absolute_percentage_error huber fair poisson gamma gamma_deviance tweedie
ndcg lambdarank rank_xendcg xendcg xe_ndcg xe_ndcg_mart xendcg_mart map mean_average_precision auc average_precision
binary_logloss binary binary_error auc_mu multi_logloss multiclass softmax multiclassova multiclass_ova ova ovr
multi_error cross_entropy xentropy cross_entropy_lambda xentlambda kullback_leibler kldiv
"""
XGBOOST: Final = """
rmse rmsle mae mape mphe logloss error error@0.3 merror mlogloss auc aucpr pre pre@5 ndcg ndcg@5 map map@5
poisson-nloglik gamma-nloglik gamma-deviance tweedie-nloglik@1.5 aft-nloglik cox-nloglik interval-regression-accuracy
quantile expectile
"""


@dataclass(frozen=True)
class Answer:
    """What lossctl says to a name: `name` or `alias` and the loss, else `suggestion` or `reason` and the message."""

    kind: str
    text: str


def answer(name: str) -> Answer:
    """Ask for a loss by this name."""
    try:
        loss = loss_of(name)
    except UsageError as error:
        message = str(error).partition("; ")[2]
        if "did you mean" in str(error) or message.startswith("`lossctl losses list`"):
            return Answer("unknown", str(error))
        return Answer("suggestion" if CLAIMED.search(message) else "reason", message)
    return Answer("name" if fold(name.partition("@")[0]) in names() else "alias", loss.spec)


CLAIMED: Final = re.compile(r"[\w-]+: [^;]* (=|differs:) ")  # a claim of a library is in the message


def read() -> list[tuple[str, str]]:
    """The library and the name of each line of the file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()[1:]
    return [(library, name) for library, name in (line.split("\t") for line in lines)]


def public() -> Iterator[tuple[str, str]]:
    """The names that the modules of the libraries hold, in the environment of `make peers`."""
    from tests.peers.keras_peer import keras
    from tests.peers.vision import loaded

    loaded()
    torch, optax, metrics, torchmetrics = map(import_module, ("torch", "optax", "sklearn.metrics", "torchmetrics"))
    functional = torch.nn.functional
    lists: dict[str, Iterable[str]] = {
        "torch": [
            *(name for name in dir(torch.nn) if name.endswith("Loss")),
            *(name for name in vars(functional) if name.endswith("_loss") or "cross_entropy" in name),
            *("kl_div", "CosineSimilarity", "cosine_similarity"),
        ],
        "keras": [*dir(keras.losses), *dir(keras.metrics)],
        "optax": dir(optax.losses),
        "scikit-learn": [*metrics.__all__, *metrics.get_scorer_names(), *sgd()],
        "torchmetrics": [*torchmetrics.functional.__all__, *torchmetrics.__all__],
        "XGBoost": [*XGBOOST.split(), *objectives(import_module("xgboost"))],
        "LightGBM": LIGHTGBM.split(),
        "CatBoost": dir(import_module("catboost.metrics")),
    }
    for library, entries in lists.items():
        yield from ((library, name) for name in dict.fromkeys(entries) if name and not TOOLS.match(name))


def sgd() -> list[str]:
    """The losses by which scikit-learn's linear models are trained."""
    linear: Any = import_module("sklearn.linear_model")
    return [*linear.SGDClassifier.loss_functions, *linear.SGDRegressor.loss_functions]


def objectives(xgboost: Any) -> list[str]:
    """The objectives of XGBoost, which it lists where it is asked for another."""
    numpy: Any = import_module("numpy")
    try:
        xgboost.train({"objective": "none"}, xgboost.DMatrix(numpy.zeros((2, 1)), label=[0, 1]), 1)
    except xgboost.core.XGBoostError as error:
        return re.findall(r"Objective candidate: (\S+)", str(error))
    return []


def table() -> str:
    """All names with their answers, and the counts of each library."""
    answers = [(library, name, answer(name)) for library, name in read()]
    lines = [f"{library}\t{name}\t{said.kind}\t{said.text}" for library, name, said in answers]
    for library in LIBRARIES:
        counts = Counter(said.kind for where, _, said in answers if where == library)
        lines.append(
            f"{library}: {sum(counts.values())} names, {', '.join(f'{n} {kind}' for kind, n in counts.items())}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write the names."""
    if "--write" in sys.argv[1:]:
        lines = ["library\tname", *(f"{library}\t{name}" for library, name in public())]
        FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
