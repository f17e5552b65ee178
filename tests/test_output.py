"""What is printed: at every width, piped, in ASCII, with hostile names; no digit is ever cut."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl.output import report as tables, text as text_module
from lossctl.output.text import Style, markdown
from lossctl.results.report import Cell
from tests.conftest import ROOT, Lossctl

pytestmark = pytest.mark.deep

DIABETES = ("eval", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-p", "forest")
Write = Callable[[str, str | bytes], Path]


@pytest.fixture(scope="module")
def report() -> package.Report:
    return package.evaluate(str(ROOT / "sample_data/diabetes.csv"), target="progression", pred=["linear", "forest"])


def digits_of(report: package.Report, digits: int = 5) -> list[str]:
    return [text_module.number(cell.value, digits) for cell in report.cells]


@pytest.mark.parametrize("width", [None, 40, 60, 80, 200])
@pytest.mark.parametrize("make", [tables.wide, tables.long])
def test_no_number_is_cut_at_any_width(report: package.Report, width: int | None, make: Callable[..., str]) -> None:
    text = make(report, Style(width=width))
    assert "…" not in text
    for number in digits_of(report):
        assert re.search(rf"(^|\s){re.escape(number)}[* ]?(\s|$)", text, re.MULTILINE), number


@pytest.mark.parametrize("width", [60, 80, 200])
def test_tables_fit_the_terminal(report: package.Report, width: int) -> None:
    for make in (tables.wide, tables.long):
        assert max(map(len, make(report, Style(width=width)).splitlines())) <= width


def test_a_narrow_terminal_gets_one_line_per_value(report: package.Report) -> None:
    assert "loss    model" in tables.wide(report, Style(width=60))
    assert tables.wide(report, Style(width=200)) == tables.wide(report, Style(width=None))


def test_piped_tables_have_their_natural_width_and_no_escape(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("GITHUB_ACTIONS", "1")
    out = lossctl(*DIABETES).out
    assert "2817.7*" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) > 60


def test_colour_is_by_choice_and_never_the_only_mark(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = lossctl(*DIABETES, "--color", "always").out
    assert "\x1b[1;32m2817.7*" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == lossctl(*DIABETES, "--color", "never").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in lossctl(*DIABETES).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in lossctl(*DIABETES).out


def test_long_model_names_are_shortened_in_the_middle_with_a_legend() -> None:
    long, other = "runs/2026/november/a/v12", "runs/2026/november/b/v12"
    data = {"y": [1.0, 2.0, 4.0], long: [1.0, 2.0, 3.0], other: [1.0, 2.0, 5.0]}
    made = package.evaluate(data, target="y", pred=[long, other], losses=["mse"])
    text = tables.wide(made, Style(width=30))
    assert f"{tables.shortened(long)} = {long}" in text
    assert "0.33333" in text
    assert long in tables.wide(made, Style(width=None)).splitlines()[4]


def test_ascii_terminals_get_ascii() -> None:
    made = package.evaluate({"y": [1.0, 2.0], "π": [1.0, 3.0]}, target="y", pred="π", losses=["mse"])
    text = tables.wide(made, Style(ascii=True))
    assert text.isascii()
    assert "\\u03c0" in text


@pytest.mark.parametrize(
    ("encoding", "commands"), [("ascii", (DIABETES, ("losses", "show", "huber"))), ("latin-1", (("losses", "list"),))]
)
def test_no_encoding_breaks_it(encoding: str, commands: Sequence[Sequence[str]]) -> None:
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", "lossctl", *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 5, "0"),
        (-0.0, 5, "0"),
        (1e-7, 5, "1.0000e-07"),
        (0.375, 5, "0.37500"),
        (12345.0, 5, "12345"),
        (1234567.8, 5, "1234568"),
        (1.5e12, 5, "1.5000e+12"),
        (-2.5, 3, "-2.50"),
        (99999.9, 5, "100000"),
        (float("inf"), 5, "inf"),
        (float("-inf"), 5, "-inf"),
        (float("nan"), 5, "nan"),
        (None, 5, "-"),
        (1 / 3, 17, "0.33333333333333331"),
    ],
)
def test_numbers_have_significant_digits(value: float | None, digits: int, text: str) -> None:
    assert text_module.number(value, digits) == text


def test_digits_change_tables_alone(lossctl: Lossctl) -> None:
    assert "2818*" in lossctl(*DIABETES, "--digits", 3).out
    plain, fine = (lossctl(*DIABETES, "-f", "csv", "--digits", digits).out for digits in (5, 3))
    assert plain == fine


def cells(lossctl: Lossctl, *extra: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = lossctl(*DIABETES, *extra, "-f", "json").json["results"]
    return found


def test_every_format_has_the_same_values(lossctl: Lossctl) -> None:
    losses = ("-l", "mse", "-l", "p90=quantile:q=0.9", "--by", "age_band")
    values = [cell["value"] for cell in cells(lossctl, *losses)]
    assert len(values) == 2 * 2 * 3
    assert lossctl(*DIABETES, *losses, "-f", "value").values == values
    lines = [json.loads(line) for line in lossctl(*DIABETES, *losses, "-f", "jsonl").out.splitlines()]
    assert [line["value"] for line in lines if line["kind"] == "result"] == values
    assert [line["model"] for line in lines if line["kind"] == "input"] == ["linear", "forest"]
    rows = list(csv.DictReader(io.StringIO(lossctl(*DIABETES, *losses, "-f", "csv").out)))
    assert [float(row["value"]) for row in rows] == values
    assert rows[-1]["slice.age_band"] == "under 50"
    shown = [text_module.number(float(str(value)), 5) for value in values]
    for form in ("table", "long", "md"):
        text = lossctl(*DIABETES, *losses, "-f", form).out
        assert all(number in text for number in shown)


def test_the_best_model_is_marked_by_the_losses_own_direction(lossctl: Lossctl) -> None:
    best = {str(cell["loss"]): cell["model"] for cell in cells(lossctl) if cell["best"]}
    values = {(cell["loss"], cell["model"]): float(str(cell["value"])) for cell in cells(lossctl)}
    assert values["r2", best["r2"]] == max(values["r2", "linear"], values["r2", "forest"])
    assert values["mse", best["mse"]] == min(values["mse", "linear"], values["mse", "forest"])
    assert abs(values["mbe", best["mbe"]]) == min(abs(values["mbe", "linear"]), abs(values["mbe", "forest"]))
    alone = lossctl(*DIABETES[:6]).out
    assert "*" not in alone
    scores = lossctl(
        "eval", "sample_data/gan.csv", "-t", "real", "-p", "small", "-p", "large", "-l", "gan_generator"
    ).out
    assert "*" not in scores


def test_bias_of_either_sign_is_judged_by_its_size() -> None:
    data = {"y": [0.0, 0.0], "low": [-2.0, -2.0], "high": [1.0, 1.0]}
    made = package.evaluate(data, target="y", pred=["low", "high"], losses=["mbe"])
    assert [cell.model for cell in made.cells if cell.best] == ["high"]


def test_equal_values_are_all_best() -> None:
    made = package.evaluate(
        {"y": [0.0, 1.0], "a": [1.0, 1.0], "b": [0.0, 2.0]}, target="y", pred=["a", "b"], losses="mse"
    )
    assert [cell.best for cell in made.cells] == [True, True]


def test_infinite_and_undefined_values_are_told_everywhere(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y,bad,good\n1,0.5,0.5\n1,0,0.9\n0,0.2,0.1\n")
    command = ("eval", path, "-t", "y", "-p", "bad", "-p", "good", "-l", "bce", "-l", "mse")
    table_text = lossctl(*command).out
    assert re.search(r"bad +inf", table_text)
    assert f"bce of bad: +infinity: 1 row, the first at {path}: row 2" in table_text
    first = lossctl(*command, "-f", "json").json["results"][0]
    assert first["value"] is None
    assert (first["status"], first["ci"], first["stderr"]) == ("infinite", None, None)
    assert "row 2" in first["reason"]
    assert lossctl(*command, "-f", "value").out.splitlines()[0] == "inf"
    assert next(csv.DictReader(io.StringIO(lossctl(*command, "-f", "csv").out)))["value"] == "inf"
    constant = write("c.csv", "y,p\n3,1\n3,2\n")
    undefined = lossctl("eval", constant, "-t", "y", "-p", "p", "-l", "r2", "-f", "json").json["results"][0]
    assert (undefined["status"], undefined["reason"]) == ("undefined", "the target is constant")


HOSTILE = "a\x1b[31m[red]x[/red]\u202e|`<b>:smile:"


def test_hostile_names_do_nothing(lossctl: Lossctl, write: Write) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([["y", HOSTILE, "g"], [1, 2, "=cmd()"], [2, 2, "\x1b]0;t\x07"]])
    path = write("h.csv", file.getvalue())
    command = ("eval", path, "-t", "y", "-p", HOSTILE, "-l", "mse", "--by", "g")
    for form in ("table", "long", "md", "value"):
        out = lossctl(*command, "-f", form).out
        assert "\x1b" not in out
        assert "\u202e" not in out
    assert "a\\x1b[31m[red]x[/red]\\u202e|`<b>:smile:" in lossctl(*command).out
    assert "<b>" not in lossctl(*command, "-f", "md").out
    assert lossctl(*command, "-f", "json").json["results"][0]["model"] == HOSTILE
    assert "'=cmd()" in lossctl(*command, "-f", "csv").out
    assert "\x1b" not in lossctl("eval", path, "-t", "nope", "-p", HOSTILE, "-l", "mse").err
    assert markdown("a|b`c<d") == "a\\|b\\`c&lt;d"


def test_files_are_written_whole_in_the_format_of_their_names(lossctl: Lossctl, tmp_path: Path) -> None:
    outputs = [
        f"{tmp_path}/r.json",
        f"{tmp_path}/r.csv",
        f"md:{tmp_path}/summary",
        f"{tmp_path}/r.jsonl",
        f"{tmp_path}/r.txt",
    ]
    outcome = lossctl(*DIABETES, "-f", "value", *(piece for path in outputs for piece in ("-o", path)))
    assert len(outcome.values) == 12
    assert json.loads((tmp_path / "r.json").read_text())["command"] == "eval"
    assert (tmp_path / "summary").read_text().startswith("| model |")
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "r.csv", "summary", "r.jsonl", "r.txt"}
    mode = (tmp_path / "r.json").stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    assert mode == 0o666 & ~mask


def test_outputs_may_be_devices_and_keep_a_links_target(lossctl: Lossctl, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    assert lossctl(*DIABETES, "-q", "-f", "value", "-o", link, "-o", "csv:/dev/null").code == 0
    assert link.is_symlink()
    assert json.loads(real.read_text())["schema_version"] == 1


def test_per_row_losses_never_replace_a_pipe(lossctl: Lossctl, tmp_path: Path) -> None:
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    outcome = lossctl(*DIABETES, "--rows-out", pipe)
    assert (outcome.code, outcome.out) == (2, "")
    assert "no regular file" in outcome.err
    assert pipe.is_fifo()


def test_per_row_losses_are_the_values_mean(lossctl: Lossctl, tmp_path: Path) -> None:
    for name in ("rows.parquet", "rows.csv"):
        path = tmp_path / name
        outcome = lossctl(*DIABETES, "--rows-out", path, "-f", "json")
        assert "left out, as without a per-row value: rmse, r2" in outcome.err
        if name.endswith("csv"):
            with path.open() as file:
                rows = list(csv.DictReader(file))
            column = [float(row["linear.mse"]) for row in rows]
            assert [int(row["row"]) for row in rows] == list(range(1, 149))
        else:
            import pyarrow.parquet as pq

            read = pq.read_table(path)
            assert read.column_names[:3] == ["row", "linear.mse", "forest.mse"]
            column = read.column("linear.mse").to_pylist()
        value = next(cell["value"] for cell in outcome.json["results"] if cell["loss"] == "mse")
        assert sum(column) / len(column) == pytest.approx(value, rel=1e-13)


def shell(script: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


EVAL = "lossctl eval sample_data/diabetes.csv -t progression -p linear -l mse -f value"


def test_a_lost_output_is_an_error() -> None:
    full = shell(f"{EVAL} > /dev/full")
    assert full.returncode == 3
    assert full.stderr == f"lossctl: error: standard output: {os.strerror(errno.ENOSPC)}\n"
    assert shell(f"{EVAL} -q >&-").stderr == "lossctl: error: standard output is closed\n"
    assert shell(f"{EVAL} 2>&- 2>/dev/full").returncode == 0
    gone = shell(f"set -o pipefail; ({EVAL}; echo $? >&2) | true")
    assert gone.stderr.split()[-1] in ("141", "0")


def test_files_that_are_complete_stay_where_a_later_output_is_lost(tmp_path: Path) -> None:
    rows, report = tmp_path / "rows.csv", tmp_path / "report.json"
    assert shell(f"{EVAL} -q --rows-out {rows} -o json:{report} > /dev/full").returncode == 3
    assert (rows.read_text().count("\n"), report.read_bytes()[-2:]) == (149, b"}\n")


def test_a_closed_pipe_is_quiet() -> None:
    script = "import sys\nfrom lossctl.__main__ import main\nsys.argv[1:] = sys.argv[1:]\nmain()"
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-c", script, *EVAL.split()[1:]],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_strict_cells_have_no_nan() -> None:
    cell = Cell(
        model="m",
        loss="mse",
        spec="mse",
        slice={},
        rows=0,
        weight_sum=None,
        value=float("nan"),
        stderr=None,
        interval=None,
        level=None,
        method=None,
        interval_reason="no rows",
        direction="min",
        unit="1",
        status="empty",
        reason="no rows",
        signature="s",
    )
    assert cell.finite is None
    assert replace(cell, value=1.0).finite == 1.0


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_long_work_shows_its_progress_on_a_terminal_alone(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.cli.console.DELAY", 0.0)
    assert "rows/s" not in lossctl(*DIABETES).err
    for quiet in ((), ("-q",)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert lossctl(*DIABETES, *quiet).code == 0
        assert ("100%, 148 rows" in terminal.getvalue()) == (not quiet)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet"])
def test_progress_knows_the_whole_from_footers_or_bytes(tmp_path: Path, name: str) -> None:
    rows = pd.DataFrame({"y": np.arange(100_000.0), "p": np.arange(100_000.0) + 0.5})
    path = tmp_path / name
    if name.endswith("parquet"):
        rows.to_parquet(path)
    elif "csv" in name:
        rows.to_csv(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True)
    copy = path.with_name(f"more-{name}")
    copy.write_bytes(path.read_bytes())
    shares: list[float | None] = []

    class Recorder:
        rows = 0

        def expect(self, share_of: Callable[[int], float | None]) -> None:
            self.share_of = share_of

        def __call__(self, rows: int) -> None:
            self.rows += rows
            shares.append(self.share_of(self.rows))

    package.evaluate([path, copy], target="y", pred="p", losses="mae", concat=True, threads=1, progress=Recorder())
    known = [share for share in shares if share is not None]
    assert len(known) == len(shares) > 2
    assert known == sorted(known)
    assert 0.0 < known[0] < 1.0
    assert known[-1] == 1.0


def test_short_work_shows_none(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    lossctl(*DIABETES)
    assert "rows" not in terminal.getvalue()


def test_the_sample_data_is_small_and_described() -> None:
    files = [path for path in (ROOT / "sample_data").iterdir() if path.suffix in (".csv", ".parquet", ".npy")]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    text = (ROOT / "sample_data/SOURCES.md").read_text("utf-8")
    for path in files:
        assert f"`{path.name}`" in text


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, name: str, code: int) -> None:
    rows = tmp_path / "rows.parquet"
    process = subprocess.Popen(
        [sys.executable, "-m", "lossctl", "eval", "-", "-t", "y", "-p", "p", "-l", "mse", "--rows-out", str(rows)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"y,p\n1,2\n")
    process.stdin.flush()
    while int.from_bytes(ioctl(process.stdin, FIONREAD, bytes(4)), sys.byteorder):  # until it is being copied
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, b"")
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["contrastive", "hinge_embedding", "cosine_embedding"])
def test_a_curve_names_its_points_by_what_the_target_means(lossctl: Lossctl, name: str) -> None:
    figure = package.plot_loss(name)
    lines = {layer.series.split()[0]: layer for layer in figure.panels[0].layers if layer.mark == "line"}
    assert {kind: line.y[line.x.index(0.0)] > 0.0 for kind, line in lines.items()} == {"same": False, "different": True}
    assert "different" in lossctl("losses", "show", name).out


def test_what_a_model_leaves_out_stands_beside_its_value(
    lossctl: Lossctl, write: Callable[[str, str | bytes], Path]
) -> None:
    path = write("m.csv", "y,p,q\n1,1,2\n2,,2\n3,3,1\n4,4,4\n5,5,6\n")
    common = (path, "-t", "y", "-p", "p", "-p", "q", "-l", "mae", "--missing", "drop")
    for command, form in (("eval", "table"), ("eval", "long"), ("eval", "md"), ("compare", "table")):
        lines = lossctl(command, *common, "-f", form).out.splitlines()
        head = next(place for place, line in enumerate(lines) if "missing" in line)
        assert ["1 (20.0%)" in line for line in lines[head:] if "%" in line and "interval" not in line][:1] == [True]
        assert any("0 (0%)" in line for line in lines)
    assert "missing" not in lossctl("eval", *common[:4], "-p", "q", "-l", "mae", "-p", "q2=q").out
