"""DuckDB: one query over the files."""

from __future__ import annotations

import duckdb  # type: ignore[import-not-found]

from tests.bench.peers import answer, task

REGRESSION = {
    "mse": "avg(r_{m} * r_{m})",
    "mae": "avg(abs(r_{m}))",
    "mbe": "-avg(r_{m})",
    "huber": "avg(CASE WHEN abs(r_{m}) <= 1 THEN 0.5 * r_{m} * r_{m} ELSE abs(r_{m}) - 0.5 END)",
    "rmse": "sqrt(avg(r_{m} * r_{m}))",
    "log_cosh": "avg(abs(r_{m}) + ln(1 + exp(-2 * abs(r_{m})))) - ln(2)",
}
JOINED = {loss: REGRESSION[loss] for loss in ("mse", "mae")}
# q is the probability given to what was observed
BINARY = {
    "bce": "-avg(ln(q_{m}))",
    "focal": "-avg((1 - q_{m}) * (1 - q_{m}) * ln(q_{m}))",
    "brier": "avg((1 - q_{m}) * (1 - q_{m}))",
    "zero_one": "1 - count_if(q_{m} > 0.5) / count(*)",
}
MULTICLASS = {
    "cce": "-avg(ln(q))",
    "brier": "avg(squares - 2 * q) + 1",
    "focal": "-avg((1 - q) * (1 - q) * ln(q))",
    "zero_one": "1 - count_if(q = largest) / count(*)",
}
COLUMNS = [f"p_{index}" for index in range(10)]


def losses(formulas: dict[str, str], models: str) -> str:
    """Every loss of every model, as columns named model.loss."""
    return ", ".join(
        f'{formula.format(m=model)} AS "{model}.{loss}"' for model in models for loss, formula in formulas.items()
    )


def residuals(models: str, source: str, *, kept: str = "") -> str:
    """Each model's residuals, so that no loss computes them anew."""
    return f"(SELECT {kept}{', '.join(f'{model} - y AS r_{model}' for model in models)} FROM {source})"


def query(form: str, files: list[str]) -> str:
    """The whole work."""
    quoted = [f"'{file}'" for file in files]
    parquet = f"read_parquet({quoted[0]})"
    match form:
        case "regression":
            return f"SELECT {losses(REGRESSION, 'abc')} FROM {residuals('abc', parquet)}"
        case "grouped":
            source = residuals("abc", parquet, kept="store, ")
            return f"SELECT store, {losses(REGRESSION, 'abc')} FROM {source} GROUP BY store"
        case "files":
            each = [f"(SELECT pred AS {model} FROM {file})" for model, file in zip("abc", quoted[1:], strict=True)]
            source = " POSITIONAL JOIN ".join([quoted[0], *each])
            return f"SELECT {losses(REGRESSION, 'abc')} FROM {residuals('abc', source)}"
        case "csv":
            types = "{'id': 'BIGINT', 'y': 'DOUBLE', 'a': 'DOUBLE', 'word': 'VARCHAR'}"
            source = f"read_csv({quoted[0]}, columns = {types}, header = true, auto_detect = false)"
            return f"SELECT {losses(REGRESSION, 'a')} FROM {residuals('a', source)}"
        case "joined":
            source = f"(SELECT y, pred AS a FROM {quoted[0]} JOIN {quoted[1]} USING (id))"
            return f"SELECT {losses(JOINED, 'a')} FROM {residuals('a', source)}"
        case "binary":
            observed = ", ".join(f"abs({model} - (1 - y)) AS q_{model}" for model in "ab")  # p of a 1, 1 - p of a 0
            return f"SELECT {losses(BINARY, 'ab')} FROM (SELECT {observed} FROM {parquet})"
        case "multiclass":
            observed = f"CASE label {' '.join(f'WHEN {i} THEN {name}' for i, name in enumerate(COLUMNS))} END AS q"
            squares = f"{' + '.join(f'{name} * {name}' for name in COLUMNS)} AS squares"
            largest = f"greatest({', '.join(COLUMNS)}) AS largest"
            values = ", ".join(f'{formula} AS "softmax.{loss}"' for loss, formula in MULTICLASS.items())
            return f"SELECT {values} FROM (SELECT {observed}, {squares}, {largest} FROM {parquet})"
    raise ValueError(form)


def main() -> None:
    form, threads, files = task()
    found = duckdb.connect(config={"threads": threads}).execute(query(form, files))
    names = [column[0] for column in found.description]
    rows = found.fetchall()
    if names[0] == "store":
        stores, *columns = zip(*rows, strict=True)
        answer({name: dict(zip(stores, column, strict=True)) for name, column in zip(names[1:], columns, strict=True)})
    else:
        answer(dict(zip(names, rows[0], strict=True)))


if __name__ == "__main__":
    main()
