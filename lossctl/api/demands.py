"""Demands: the rules of a check, read from every place that has some, and bound to the losses they speak of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lossctl import registry
from lossctl.core.loss import Loss
from lossctl.core.report import Evaluation
from lossctl.errors import UsageError
from lossctl.gate.rules import Bound, Decide, Kind, Rule, Table, limit_rule, merged, regression_rule, table_rules
from lossctl.specs import with_tables


@dataclass(frozen=True)
class Demands:
    """The rules of the configuration file and those of the command line, as written."""

    of_file: tuple[Rule, ...]
    of_command: tuple[Rule, ...]

    @classmethod
    def read(
        cls, limits: Sequence[tuple[Kind, str]], regressions: Sequence[str], tables: Sequence[Table], decide: Decide
    ) -> Demands:
        """Read the rules; raise UsageError for one that is none."""
        filed = tuple(rule for table in tables for rule in table_rules(table, decide))
        asked = [limit_rule(kind, text) for kind, text in limits]
        asked += [regression_rule(text, decide) for text in regressions]
        return cls(filed, tuple(asked))

    def __bool__(self) -> bool:
        return bool(self.of_file or self.of_command)

    def bound(self, find: Callable[[str], tuple[str, Loss]]) -> tuple[list[Bound], list[str]]:
        """Bind every rule to label and loss; return them with notes on those that others took the place of."""

        def bind(rule: Rule) -> Bound:
            try:
                label, loss = find(rule.loss)
            except UsageError as error:
                raise UsageError(f"{rule.origin}: {error}") from None
            return Bound(rule, label, loss.spec, loss.direction)

        return merged([bind(rule) for rule in self.of_file], [bind(rule) for rule in self.of_command])


def of_data(demands: Demands, losses: Sequence[str]) -> tuple[list[Bound], list[str], list[str]]:
    """Bind rules to the losses that are asked for; return bound rules, notes, and all losses that it takes."""
    texts = with_tables(losses)
    asked = [registry.labelled(spec) for spec in texts]

    def find(text: str) -> tuple[str, Loss]:
        for label, loss in asked:
            if label == text:
                return label, loss
        base, output = _of_output(text)
        if output:  # one of several outputs, as --per-output labels it
            label, wanted = find(base)
            return f"{label}{output}", wanted
        label, wanted = registry.labelled(text)
        for known, loss in asked:
            if loss.full_spec == wanted.full_spec:
                return known, loss
        asked.append((label, wanted))
        texts.append(text)
        return label, wanted

    bounds, notes = demands.bound(find)
    return bounds, notes, texts


def _of_output(text: str) -> tuple[str, str]:
    """Split `mae[height]` into the loss and the output in its brackets."""
    base, bracket, _ = text.partition("[")
    return (base, text[len(base) :]) if bracket and text.endswith("]") else (text, "")


def of_report(demands: Demands, report: Evaluation) -> tuple[list[Bound], list[str]]:
    """Bind rules to the losses of a saved report; one that it does not have is bound nevertheless, and will fail."""
    present = {cell.loss: registry.get(cell.spec) for cell in report.cells}

    def find(text: str) -> tuple[str, Loss]:
        if text in present:
            return text, present[text]
        base, output = _of_output(text)
        if output:
            return text, find(base)[1]
        label, wanted = registry.labelled(text)
        same = [known for known, loss in present.items() if loss.full_spec == wanted.full_spec]
        return (same or [label])[0], wanted

    return demands.bound(find)
