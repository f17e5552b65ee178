"""lossctl: how good are these predictions, by any loss function of the field.

>>> import lossctl
>>> lossctl.get("mse")(target=[1.0, 2.0], pred=[1.5, 2.0])
0.125
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossctl.api import Report, compare, evaluate
    from lossctl.core.loss import Loss
    from lossctl.errors import DataError, LossctlError, OutputError, UsageError
    from lossctl.registry import get

__version__ = "0.1.0"
__all__ = [
    "DataError",
    "Loss",
    "LossctlError",
    "OutputError",
    "Report",
    "UsageError",
    "__version__",
    "compare",
    "evaluate",
    "get",
]

HOMES = {
    "DataError": "errors",
    "Loss": "core.loss",
    "LossctlError": "errors",
    "OutputError": "errors",
    "Report": "api",
    "UsageError": "errors",
    "compare": "api",
    "evaluate": "api",
    "get": "registry",
}


def __getattr__(name: str) -> object:
    """Resolve public names on first use, so that importing the package costs nothing."""
    if name not in HOMES:
        raise AttributeError(f"module 'lossctl' has no attribute {name!r}")
    return getattr(import_module(f"lossctl.{HOMES[name]}"), name)
