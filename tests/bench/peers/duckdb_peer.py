"""DuckDB: one query over the files."""

from __future__ import annotations

from typing import Any, NamedTuple

import duckdb  # type: ignore[import-not-found]

from tests.bench.peers import VARIANCE, answer, task


class Formula(NamedTuple):
    """A loss: an expression of each row, and what is read from its mean."""

    row: str
    reading: str = "{}"


REGRESSION = {
    "mse": Formula("r_{m} * r_{m}"),
    "mae": Formula("abs(r_{m})"),
    "mbe": Formula("r_{m}", "-{}"),
    "huber": Formula("CASE WHEN abs(r_{m}) <= 1 THEN 0.5 * r_{m} * r_{m} ELSE abs(r_{m}) - 0.5 END"),
    "rmse": Formula("r_{m} * r_{m}", "sqrt({})"),
    "log_cosh": Formula("abs(r_{m}) + ln(1 + exp(-2 * abs(r_{m})))", "{} - ln(2)"),
}
TWO = {loss: REGRESSION[loss] for loss in ("mse", "mae")}
# q is the probability given to what was observed
BINARY = {
    "bce": Formula("ln(q_{m})", "-{}"),
    "focal": Formula("(1 - q_{m}) * (1 - q_{m}) * ln(q_{m})", "-{}"),
    "brier": Formula("(1 - q_{m}) * (1 - q_{m})"),
    "zero_one": Formula("q_{m} <= 0.5"),
}
MULTICLASS = {
    "cce": Formula("ln(q)", "-{}"),
    "brier": Formula("squares - 2 * q", "{} + 1"),
    "focal": Formula("(1 - q) * (1 - q) * ln(q)", "-{}"),
    "zero_one": Formula("q < largest"),
}
COLUMNS = [f"p_{index}" for index in range(10)]


def losses(formulas: dict[str, Formula], models: str, variances: bool, weight: str = "") -> str:
    """Every loss of every model, as columns named model.loss, and their variances if these are wanted."""
    columns = []
    for model in models:
        name = model if formulas is not MULTICLASS else "softmax"
        for loss, formula in formulas.items():
            row = formula.row.format(m=model)
            if loss == "zero_one":  # the variance of what is 0 or 1 follows from its mean
                mean = f"count_if({row}) / count(*)"
                variance = f"{mean} * count_if(NOT ({row})) / (count(*) - 1)"
            else:
                mean = f"sum({weight} * ({row})) / sum({weight})" if weight else f"avg({row})"
                variance = f"var_samp({row})"
            columns.append(f'{formula.reading.format(mean)} AS "{name}.{loss}"')
            if variances and loss != "rmse":  # that of a root follows from that of its square
                columns.append(f'{variance} AS "{name}.{loss}{VARIANCE}"')
    return ", ".join(columns)


def residuals(models: str, source: str, *, kept: str = "", suffix: str = "") -> str:
    """Each model's residuals, so that no loss computes them anew."""
    each = ", ".join(f"{model}{suffix} - y{suffix} AS r_{model}" for model in models)
    return f"(SELECT {kept}{each} FROM {source})"


def query(form: str, files: list[str], variances: bool) -> str:
    """The whole work."""
    quoted = [f"'{file}'" for file in files]
    parquet = f"read_parquet({quoted[0]})"
    types = "{'id': 'BIGINT', 'y': 'DOUBLE', 'a': 'DOUBLE', 'word': 'VARCHAR'}"
    match form:
        case "regression":
            return f"SELECT {losses(REGRESSION, 'abc', variances)} FROM {residuals('abc', parquet)}"
        case "grouped":
            source = residuals("abc", parquet, kept="store, ")
            return f"SELECT store, {losses(REGRESSION, 'abc', variances)} FROM {source} GROUP BY store"
        case "customers":
            source = residuals("a", parquet, kept="customer, ")
            return f"SELECT customer::VARCHAR, {losses(TWO, 'a', variances)} FROM {source} GROUP BY customer"
        case "weighted":
            source = residuals("ab", parquet, kept="weight, ")
            return f"SELECT {losses(REGRESSION, 'ab', variances, 'weight')} FROM {source}"
        case "weighted grouped":
            source = residuals("ab", parquet, kept="store, weight, ")
            return f"SELECT store, {losses(REGRESSION, 'ab', variances, 'weight')} FROM {source} GROUP BY store"
        case "gaps":
            source = f"{parquet} WHERE y_gaps IS NOT NULL AND a_gaps IS NOT NULL AND b_gaps IS NOT NULL"
            return f"SELECT {losses(REGRESSION, 'ab', variances)} FROM {residuals('ab', source, suffix='_gaps')}"
        case "two slicings":
            source = residuals("ab", parquet, kept="store, word, ")
            values = losses(REGRESSION, "ab", variances)
            return f"SELECT coalesce(store, word), {values} FROM {source} GROUP BY GROUPING SETS ((store), (word))"
        case "files":
            each = [f"(SELECT pred AS {model} FROM {file})" for model, file in zip("abc", quoted[1:], strict=True)]
            source = " POSITIONAL JOIN ".join([quoted[0], *each])
            return f"SELECT {losses(REGRESSION, 'abc', variances)} FROM {residuals('abc', source)}"
        case "csv":
            source = f"read_csv({quoted[0]}, columns = {types}, header = true, auto_detect = false)"
            return f"SELECT {losses(REGRESSION, 'a', variances)} FROM {residuals('a', source)}"
        case "jsonl":
            source = f"read_json({quoted[0]}, columns = {types}, format = 'newline_delimited')"
            return f"SELECT {losses(REGRESSION, 'a', variances)} FROM {residuals('a', source)}"
        case "joined":
            source = f"(SELECT y, pred AS a FROM {quoted[0]} JOIN {quoted[1]} USING (id))"
            return f"SELECT {losses(TWO, 'a', variances)} FROM {residuals('a', source)}"
        case "binary":
            observed = ", ".join(f"abs({model} - (1 - y)) AS q_{model}" for model in "ab")  # p of a 1, 1 - p of a 0
            return f"SELECT {losses(BINARY, 'ab', variances)} FROM (SELECT {observed} FROM {parquet})"
        case "multiclass":
            observed = f"CASE label {' '.join(f'WHEN {i} THEN {name}' for i, name in enumerate(COLUMNS))} END AS q"
            squares = f"{' + '.join(f'{name} * {name}' for name in COLUMNS)} AS squares"
            largest = f"greatest({', '.join(COLUMNS)}) AS largest"
            source = f"(SELECT {observed}, {squares}, {largest} FROM {parquet})"
            return f"SELECT {losses(MULTICLASS, 'm', variances)} FROM {source}"
    raise ValueError(form)


def main() -> None:
    form, variances, threads, files = task()
    result: Any = duckdb.connect(config={"threads": threads}).execute(query(form, files, variances))
    names = [column[0] for column in result.description]
    rows = result.fetchall()
    if "." not in names[0]:  # the group
        groups, *columns = zip(*rows, strict=True)
        answer({name: dict(zip(groups, column, strict=True)) for name, column in zip(names[1:], columns, strict=True)})
    else:
        answer(dict(zip(names, rows[0], strict=True)))


if __name__ == "__main__":
    main()
