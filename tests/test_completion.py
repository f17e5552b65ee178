"""Completion, asked as shells ask: through the environment, in a process of its own; and a real bash."""

from __future__ import annotations

import gzip
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl import registry
from lossctl.cli import complete
from tests.conftest import ROOT
from tests.test_plugins import GOOD, HEAD, write_plugin
from tests.warm import Ended, forked

pytestmark = pytest.mark.deep

DIABETES = "sample_data/diabetes.csv"


def ask(variables: dict[str, str], path: Path | str = "", cwd: Path = ROOT, options: tuple[str, ...] = ()) -> Ended:
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("LOSSCTL_", "_LOSSCTL", "COMP_"))}
    return forked("-m", "lossctl", *options, cwd=cwd, environment=plain | {"PYTHONPATH": str(path), **variables})


def bash(*words: str, path: Path | str = "", cwd: Path = ROOT) -> list[str]:
    """Return what bash is offered for the last of the words, which are as bash parts them."""
    variables = {"COMP_WORDS": "\n".join(["lossctl", *words]), "COMP_CWORD": str(len(words))}
    ended = ask({"_LOSSCTL_COMPLETE": "complete_bash", **variables}, path, cwd)
    assert (ended.code, ended.err) == (0, "")
    return ended.out.splitlines()


def header(path: str) -> list[str]:
    return (ROOT / path).read_text("utf-8").splitlines()[0].split(",")


def beginning(start: str) -> list[str]:
    return [name for name in registry.losses() if name.startswith(start)]


# losses ------------------------------------------------------------------------------------------------------


def test_names_of_losses() -> None:
    everything = list(registry.losses())
    assert bash("eval", DIABETES, "-l", "") == everything
    assert bash("losses", "show", "") == everything
    assert {"rmse", "rmsle"} <= set(beginning("rms"))
    assert bash("eval", DIABETES, "--loss", "rms") == beginning("rms")
    assert bash("eval", DIABETES, "-l", "no_such") == []


def test_one_that_has_parameters_does_not_end_the_word() -> None:
    assert bash("eval", DIABETES, "-l", "log_cos") == ["log_cosh"]
    assert bash("eval", DIABETES, "-l", "hube") == ["huber", "huber:"]


def test_aliases_where_no_name_fits() -> None:
    assert bash("losses", "show", "triplet_mar") == ["triplet_margin", "triplet_margin:"]


def test_parameters_and_values() -> None:
    assert bash("losses", "show", "huber", ":") == ["delta=", "delta=1"]
    assert bash("eval", DIABETES, "-l", "huber", ":", "del") == ["delta=", "delta=1"]
    assert bash("losses", "show", "poisson", ":", "full", "=") == ["true", "false"]
    assert bash("losses", "show", "poisson", ":", "full", "=", "t") == ["true"]
    assert "alpha=" in bash("losses", "show", "focal", ":")
    assert "alpha=off" in bash("losses", "show", "focal", ":", "alph")
    assert bash("losses", "show", "focal", ":", "gamma", "=", "3,gam") == []
    assert "focal:gamma=3,alpha=" in bash("losses", "show", "focal:gamma=3,")  # where a colon parts no words
    assert bash("losses", "show", "nothing", ":") == []


def test_after_a_label() -> None:
    assert bash("eval", DIABETES, "-l", "p90", "=", "quan") == beginning("quan")
    assert bash("eval", DIABETES, "-l", "p90", "=") == list(registry.losses())
    assert "q=" in bash("eval", DIABETES, "-l", "p90", "=", "quantile", ":", "q")
    assert bash("eval", DIABETES, "-l", "'p90=hube") == ["p90=huber", "p90=huber:"]


def test_after_a_long_option_and_an_equals_sign() -> None:
    assert bash("eval", DIABETES, "--loss", "=", "log_cos") == ["log_cosh"]
    assert bash("eval", DIABETES, "--loss", "=", "x", "=", "log_cos") == ["log_cosh"]
    assert bash("eval", DIABETES, "--target", "=", "prog") == ["progression"]


def test_rules() -> None:
    assert bash("check", DIABETES, "--max", "log_c") == ["log_cosh", "log_cosh="]
    assert bash("check", DIABETES, "--max-regression", "rms") == beginning("rms")
    assert bash("check", DIABETES, "--min", "r2", "=") == []


def test_losses_of_plugins(tmp_path: Path) -> None:
    write_plugin(tmp_path, "extra", HEAD + GOOD.replace("good", "zz_extra"))
    write_plugin(tmp_path, "broken", "print('noise'); import sys; sys.stderr.write('noise'); raise ValueError('no')")
    assert bash("eval", DIABETES, "-l", "zz", path=tmp_path) == ["zz_extra"]
    assert bash("losses", "show", "zz", path=tmp_path) == ["zz_extra"]
    assert bash("eval", DIABETES, "-l", "rms", path=tmp_path) == beginning("rms")


# columns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-t", "--target", "-p", "--pred", "-w", "--weight", "--by", "--id"])
def test_columns_of_the_file(option: str) -> None:
    assert bash("eval", DIABETES, option, "") == header(DIABETES)
    assert bash("eval", DIABETES, option, "lin") == ["linear"]


@pytest.mark.parametrize("option", ["--cluster", "--time"])
def test_columns_for_comparisons(option: str) -> None:
    assert bash("compare", DIABETES, option, "age") == ["age_band"]


def test_after_a_comma_and_after_a_name() -> None:
    assert bash("eval", DIABETES, "-p", "forest,lin") == ["forest,linear"]
    assert bash("eval", DIABETES, "-p", "m", "=", "lin") == ["linear"]
    assert bash("eval", DIABETES, "-p", "m", "=", "forest,lin") == ["forest,linear"]
    assert bash("eval", DIABETES, "--by", "row,age") == ["row,age_band"]


def test_roles() -> None:
    triplets = "sample_data/digits_triplets.parquet"
    names = pq.read_schema(ROOT / triplets).names
    assert bash("eval", triplets, "--role", "anch") == ["anchor=", *(f"anchor={name}" for name in names)]
    assert bash("eval", triplets, "--role", "anchor", "=", "lda_an") == [x for x in names if x.startswith("lda_an")]
    assert set(bash("eval", triplets, "--role", "m", ":")) >= {"anchor=", "left=", "right="}
    assert bash("eval", triplets, "--role", "m", ":", "left", "=", "lda_an") == [
        name for name in names if name.startswith("lda_an")
    ]


def test_every_file_on_the_line_counts_and_no_other(tmp_path: Path) -> None:
    for name, columns in (("a.csv", "ya,pa"), ("b.csv", "yb,pb"), ("truth.csv", "yt"), ("out.csv", "yo")):
        (tmp_path / name).write_text(f"{columns}\n1,2\n")
    line = ("eval", "a.csv", "-q", "m", "=", "b.csv", "--targets", "truth.csv", "-o", "out.csv", "-l", "mse")
    assert bash(*line, "-t", "y", cwd=tmp_path) == ["ya", "yb", "yt"]
    assert bash("eval", "--targets", "=", "truth.csv", "-t", "", cwd=tmp_path) == ["yt"]


def test_formats(tmp_path: Path) -> None:
    (tmp_path / "semi.csv").write_text("a;b\n1;2\n")
    (tmp_path / "tab.tsv").write_text("a\tb\n1\t2\n")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with (tmp_path / "x.parquet").open("wb") as file:
        pq.write_table(pa.table({"a": [1.0], "b": [2.0]}), file)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "0.csv").write_text("a,b\n1,2\n")
    (tmp_path / "parts" / "1.csv").write_text("a,b\n1,2\n")
    assert bash("eval", "semi.csv", "-d", "';'", "-t", "", cwd=tmp_path) == ["a", "b"]
    for name in ("tab.tsv", "packed.csv.gz", "x.parquet", "parts"):
        assert bash("eval", name, "-t", "", cwd=tmp_path) == ["a", "b"], name


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"PAR1 and no more", b"\xff\xfe\n", b"BZh9 no"])
def test_a_file_that_cannot_be_read_offers_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    assert bash("eval", "bad.csv", "-t", "", cwd=tmp_path) == []


def test_no_file_and_standard_input_offer_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("-", "pipe", "gone.csv", "/dev/zero"):
        started = time.monotonic()
        assert bash("eval", name, "-t", "", cwd=tmp_path) == []
        assert time.monotonic() - started < 20
    assert bash("eval", "-t", "") == []


def test_columns_are_quoted_for_the_shell_and_harmless(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("my col,my $x,my'q,my*,my\x1b[31m\n1,2,3,4,5\n")
    assert bash("eval", "odd.csv", "-t", "my", cwd=tmp_path) == ["my\\ col", "my\\ \\$x", "my\\'q", "my\\*"]
    assert bash("eval", "odd.csv", "-t", "my\\ c", cwd=tmp_path) == ["my\\ col"]
    assert bash("eval", "odd.csv", "-t", "'my c", cwd=tmp_path) == ["my col"]


# other words -------------------------------------------------------------------------------------------------


def test_choices() -> None:
    assert bash("eval", DIABETES, "--activation", "sig") == ["sigmoid"]
    assert bash("eval", DIABETES, "--activation", "m", "=", "soft") == ["softmax", "softplus"]
    assert bash("eval", DIABETES, "--task", "mul") == ["multiclass", "multilabel"]
    assert bash("eval", DIABETES, "--missing", "") == ["error", "drop"]
    assert bash("eval", DIABETES, "-f", "js") == ["json", "jsonl"]
    assert bash("check", DIABETES, "-f", "j") == ["json", "jsonl", "junit"]
    assert bash("compare", DIABETES, "--ci-method", "b") == ["bootstrap"]
    assert bash("losses", "list", "-f", "") == ["table", "long", "json", "md"]
    assert bash("losses", "list", "--family", "ma") == ["margin", "masks"]
    assert bash("losses", "show", "mse", "-f", "") == ["table", "json"]


def test_commands_and_options() -> None:
    assert bash("ev") == ["eval"]
    assert bash("losses", "sh") == ["show"]
    assert bash("eval", "--los") == ["--loss"]
    assert bash("eval", "sample_data/diab") == []  # the shell's own completion of files


def test_a_delimiter_is_no_joint() -> None:
    assert bash("eval", "-d", ":", DIABETES, "-l", "log_cos") == ["log_cosh"]


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells(shell: str) -> None:
    def asked(typed: str) -> str:
        variables = {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        if shell == "powershell":
            variables["_TYPER_COMPLETE_WORD_TO_COMPLETE"] = typed.rpartition(" ")[2]
        ended = ask({"_LOSSCTL_COMPLETE": f"complete_{shell}", **variables})
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    offered = asked("lossctl eval sample_data/diabetes.csv -l p90=quantile:q")
    assert {"zsh": r'"p90=quantile\\:q="'}.get(shell, "p90=quantile:q=") in offered
    assert "linear" in asked("lossctl eval sample_data/diabetes.csv -t lin")
    assert "linear" in asked("lossctl eval 'sample_data/diabetes.csv' -t progression -p m=lin")
    assert "--loss" in asked("lossctl eval --")


def test_whatever_is_asked_nothing_is_said_and_nothing_fails() -> None:
    for variables in (
        {"_LOSSCTL_COMPLETE": "complete_bash"},
        {"_LOSSCTL_COMPLETE": "complete_bash", "COMP_WORDS": "", "COMP_CWORD": "x"},
        {"_LOSSCTL_COMPLETE": "complete_bash", "COMP_WORDS": "lossctl\neval\n-l\n'", "COMP_CWORD": "9"},
        {"_LOSSCTL_COMPLETE": "complete_bash", "COMP_WORDS": "lossctl\neval\n:\n=\n", "COMP_CWORD": "2"},
        {"_LOSSCTL_COMPLETE": "complete_zsh"},
        {"_LOSSCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "lossctl nothing -t 'a"},
        {"_LOSSCTL_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "lossctl eval 'a\\"},
    ):
        ended = ask(variables)
        assert ended.err == "", variables
        assert "Traceback" not in ended.out


def test_what_completes_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[str]:
        raise RuntimeError("no")

    monkeypatch.setattr(complete, "_columns", broken)
    assert complete.columns("a") == []
    assert complete.predictions("m=a") == []


def test_columns_need_no_pandas() -> None:
    script = (
        "import os, sys; from lossctl.__main__ import run; code = run([]); "
        "print('\\n#', *sorted({'pandas', 'pyarrow', 'numpy'} & set(sys.modules))); sys.exit(code)"
    )

    def loaded(*words: str) -> list[str]:
        variables = {"COMP_WORDS": "\n".join(["lossctl", *words]), "COMP_CWORD": str(len(words))}
        env = os.environ | {"_LOSSCTL_COMPLETE": "complete_bash", **variables}
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        return ended.stdout.splitlines()[-1].split()[1:]

    assert loaded("eval", DIABETES, "-t", "") == ["numpy", "pyarrow"]
    assert loaded("eval", DIABETES, "-l", "") == ["numpy"]
    assert loaded("eval", "--lo") == []


# switching it on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str) -> None:
    ended = ask({"_LOSSCTL_COMPLETE": f"source_{shell}"})
    assert (ended.code, ended.err) == (0, "")
    assert f"complete_{shell}" in ended.out


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bash_completions/lossctl.sh"),
        ("zsh", ".zfunc/_lossctl"),
        ("fish", ".config/fish/completions/lossctl.fish"),
    ],
)
def test_it_is_installed(tmp_path: Path, shell: str, file: str) -> None:
    ended = ask({"HOME": str(tmp_path)}, options=("--install-completion", shell))
    assert ended.code == 0, ended.err
    assert f"complete_{shell}" in (tmp_path / file).read_text()


class Bash:
    """An interactive bash with completion switched on; `tab` types, presses the key and returns what stands there."""

    def __init__(self, cwd: Path) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            env = os.environ | {"PS1": "> ", "TERM": "dumb", "HOME": str(cwd)}
            env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
            os.chdir(cwd)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
        self.type("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; PS1='> '\n")
        self.type("source <(_LOSSCTL_COMPLETE=source_bash lossctl); echo re''ady\n", until="ready")

    def type(self, text: str, until: str = "", seconds: float = 0.8) -> str:
        os.write(self.terminal, text.encode())
        seen, end = "", time.monotonic() + (20.0 if until else seconds)
        while time.monotonic() < end and not (until and until in seen):
            if select.select([self.terminal], [], [], 0.1)[0]:
                seen += os.read(self.terminal, 65_536).decode()
        return seen

    def tab(self, text: str, becomes: str) -> None:
        seen = self.type(text + "\t", until=becomes)
        assert becomes in seen
        self.type("\x15", seconds=0.2)

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def test_a_real_bash(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("my col,y,pred_one\n1,2,3\n")
    shell = Bash(tmp_path)
    try:
        shell.tab("lossctl eval w.csv -l log_c", "-l log_cosh ")
        shell.tab("lossctl eval w.csv -l huber:de", "-l huber:delta=")
        shell.tab("lossctl eval w.csv -l x=log_c", "-l x=log_cosh ")
        shell.tab("lossctl eval w.csv --loss=log_c", "--loss=log_cosh ")
        shell.tab("lossctl eval w.csv -t my", "-t my\\ col ")
        shell.tab("lossctl eval w.csv -t 'my", "-t 'my col' ")
        shell.tab("lossctl eval m=w.csv -p x=pre", "-p x=pred_one ")
        shell.tab("lossctl eval w.c", "eval w.csv ")
    finally:
        shell.close()
