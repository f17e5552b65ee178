"""lossctl: how good are these predictions, by any loss function of the field.

>>> import lossctl
>>> lossctl.get("mse")(target=[1.0, 2.0], pred=[1.5, 2.0])
0.125
"""

from __future__ import annotations

from importlib import import_module

from lossctl.version import __version__

TYPE_CHECKING = False  # as type checkers take it; to import it takes longer than all else until Ctrl-C is heeded
if TYPE_CHECKING:
    from lossctl.api.check import check
    from lossctl.api.choose import choose
    from lossctl.api.compare import compare
    from lossctl.api.diff import diff
    from lossctl.api.evaluate import evaluate
    from lossctl.api.plot import plot
    from lossctl.api.report import report
    from lossctl.api.shares import merge, share
    from lossctl.api.validate import validate
    from lossctl.core.loss import Loss
    from lossctl.errors import BaselineError, DataError, LossctlError, OutputError, PluginError, UsageError
    from lossctl.output.curves import plot_loss
    from lossctl.registry import get
    from lossctl.results.advice import Advice
    from lossctl.results.figure import Figure
    from lossctl.results.page import Page
    from lossctl.results.report import Report
    from lossctl.results.survey import Survey

__all__ = [
    "Advice",
    "BaselineError",
    "DataError",
    "Figure",
    "Loss",
    "LossctlError",
    "OutputError",
    "Page",
    "PluginError",
    "Report",
    "Survey",
    "UsageError",
    "__version__",
    "check",
    "choose",
    "compare",
    "diff",
    "evaluate",
    "get",
    "merge",
    "plot",
    "plot_loss",
    "report",
    "share",
    "validate",
]

HOMES = {
    "Advice": "results.advice",
    "BaselineError": "errors",
    "DataError": "errors",
    "Figure": "results.figure",
    "Loss": "core.loss",
    "LossctlError": "errors",
    "OutputError": "errors",
    "Page": "results.page",
    "PluginError": "errors",
    "Report": "results.report",
    "Survey": "results.survey",
    "UsageError": "errors",
    "check": "api.check",
    "choose": "api.choose",
    "compare": "api.compare",
    "diff": "api.diff",
    "evaluate": "api.evaluate",
    "get": "registry",
    "merge": "api.shares",
    "plot": "api.plot",
    "plot_loss": "output.curves",
    "report": "api.report",
    "share": "api.shares",
    "validate": "api.validate",
}


def __getattr__(name: str) -> object:
    """Resolve public names on first use, so that importing the package costs nothing."""
    if name not in HOMES:
        raise AttributeError(f"module 'lossctl' has no attribute {name!r}")
    return getattr(import_module(f"lossctl.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, whether they have been used or not."""
    return sorted(__all__)
