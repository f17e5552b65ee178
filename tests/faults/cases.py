"""The cases of one run each: what is no file, outputs that must not be written, and streams that fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from tests.faults import Case
from tests.faults.injected import STATES, TWO_REPORTS as REPORT
from tests.faults.inputs import MSE

SOON: Final = 5.0  # seconds: at once, on a machine with other work, too
WEIGHTED: Final = "-t y -p 'p_*' -l cce:class_weight=@{} -f value"

# what makes an input of the name `odd`, `odd.json` or `odd.toml` that is no file
ODD: Final = {
    "pipe without a writer": "mkfifo {0}",
    "socket": "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('{0}')\"",
    "/dev/zero": "ln -s /dev/zero {0}",
    "/dev/null": "ln -s /dev/null {0}",
    "/dev/random": "ln -s /dev/random {0}",
    "/dev/tty": "ln -s /dev/tty {0}",
    "/proc/kmsg": "ln -s /proc/kmsg {0}",
    "block device": "mknod {0} b 7 0 || ln -s /dev/zero {0}",
    "loop of links": "ln -s {0} {0}",
    "below a file": "ln -s rows.csv/below {0}",
    "empty file": ": > {0}",
    "empty folder": "mkdir {0}",
}
# where an input may stand, its name, and the codes that will do
PLACES: Final = {
    "eval": (f"lossctl eval odd {MSE}", "odd", (3,)),
    "eval, two files": (f"lossctl eval rows.csv b=odd {MSE}", "odd", (3,)),
    "--targets": ("lossctl eval pred.npy --targets odd -p pred -l mse -f value", "odd", (3,)),
    "compare": ("lossctl compare rows.csv b=odd -t y -p p -l mse", "odd", (3,)),
    "check": ("lossctl check odd -t y -p p --max mse=100", "odd", (3,)),
    "check of a report": ("lossctl check odd.json --max mse=100", "odd.json", (3,)),
    "--baseline": ("lossctl check rows.csv -t y -p p --baseline odd --max-regression mse=2%", "odd", (3, 4)),
    "--baseline .json": (
        "lossctl check rows.csv -t y -p p --baseline odd.json --max-regression mse=2%",
        "odd.json",
        (3, 4),
    ),
    "diff, old": ("lossctl diff odd.json report.json", "odd.json", (3,)),
    "diff, new": ("lossctl diff report.json odd", "odd", (3,)),
    "validate": ("lossctl validate odd -t y -p p", "odd", (3,)),
    "choose": ("lossctl losses choose odd -t y", "odd", (3,)),
    "plot": ("lossctl plot residuals odd -t y -p p", "odd", (3,)),
    "plot of reports": ("lossctl plot history odd.json", "odd.json", (3,)),
    "plot of a report": ("lossctl plot models odd.json", "odd.json", (3,)),
    "report": ("lossctl report odd -t y -p p -o html:out.html", "odd", (3,)),
    "report of a report": ("lossctl report odd.json -o html:out.html", "odd.json", (3,)),
    "a page besides": ("lossctl eval odd -t y -p p -l mse -o html:out.html", "odd", (3,)),
    "a share": ("lossctl eval odd -t y -p p -l mse --shard 1/2 --state-out out.state", "odd", (3,)),
    "merge": ("lossctl merge odd", "odd", (3,)),
    "merge, second": ("lossctl merge 1.state odd", "odd", (3,)),
    "--config": ("lossctl eval rows.csv --config odd.toml", "odd.toml", (2, 3)),
    "class weights": (f"lossctl eval classes.csv {WEIGHTED.format('odd')}", "odd", (2, 3)),
}


def before(command: str) -> str:
    """Return what makes the reports or states that a command reads."""
    return REPORT if "report.json" in command else STATES if "1.state" in command else ""


def no_files() -> Iterator[Case]:
    """Inputs that are no files: refused at once, while a pipe that somebody writes to stays as good as a file."""
    group = "4 inputs that are no files"
    for kind, make in ODD.items():
        for place, (command, name, codes) in PLACES.items():
            # a loop has no end to be found, so that it is a name as good as any
            allowed = (*codes, 4) if "baseline" in place else codes
            if kind == "empty file" and place == "--config":  # says nothing, as it may
                continue
            script = f"{before(command)}{make.format(name)}; {command}"
            yield Case(group, f"{kind}: {place}", script, allowed, name, within=SOON)
    if os.geteuid() == 0:
        nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
        for place, command in {
            "a folder": f"mkdir -m 700 odd; chmod 777 . tmp; {nobody} lossctl eval odd {MSE}",
            "a part": f"chmod 777 . tmp; chmod 600 parts/*; {nobody} lossctl eval parts {MSE}",
            "a file": f"chmod 777 . tmp; chmod 600 rows.csv; {nobody} lossctl eval rows.csv {MSE}",
            "a baseline": "chmod 777 . tmp; mkdir -m 700 odd; "
            f"{nobody} lossctl check rows.csv -t y -p p --baseline odd --max-regression mse=2%",
            "a folder, report": f"chmod 777 . tmp; mkdir -m 700 odd; {nobody} lossctl report odd -t y -p p -o out.html",
            "a folder, plot": f"chmod 777 . tmp; mkdir -m 700 odd; {nobody} lossctl plot residuals odd -t y -p p",
            "a folder of states": f"chmod 777 . tmp; mkdir -m 700 odd; {nobody} lossctl merge odd",
            "a report": f"{REPORT}chmod 777 . tmp; chmod 600 report.json; "
            f"{nobody} lossctl plot history report.json later.json",
        }.items():
            says = {"a part": "part-1", "a file": "rows.csv", "a report": "report.json"}.get(place, "odd")
            yield Case(group, f"unreadable: {place}", script=command, codes=(3, 4), says=says, within=SOON)
    for device in ("/dev/zero", "/dev/urandom"):
        for command in (f"eval - {MSE}", "validate - -t y -p p", "check - -t y -p p --max mse=1"):
            script = f"lossctl {command} < {device}"
            yield Case(group, f"{command.split()[0]} < {device}", script, (2, 3), "standard input", within=SOON)
        for path in ("- < {}", "<(cat {})"):
            script = f"{REPORT}lossctl diff report.json {path.format(device)}"
            yield Case(group, f"diff {path.format(device)}", script, (3,), "", within=SOON)
            yield Case(group, f"merge {path.format(device)}", f"lossctl merge {path.format(device)}", (3,), within=SOON)
    for command in ("diff report.json -", "plot history report.json -", "check - --max mse=1"):
        script = f"{REPORT}yes '{{' | lossctl {command}"
        yield Case(
            group, f"{command.split(' -')[0]} of a text without an end", script, (3,), "may have no end", within=SOON
        )
    group = "4 pipes that work"
    for name, script in {
        "<(cat)": "lossctl diff <(cat report.json) <(cat later.json)",
        "<(a slow writer)": "lossctl diff <(sleep 0.6; cat report.json) <(cat later.json; sleep 0.6)",
        "a named pipe": "mkfifo a; (cat report.json > a) & lossctl diff a later.json",
        "standard input": "lossctl diff - later.json < report.json",
        "a pipe of standard input": "cat later.json | lossctl diff report.json -",
        "/dev/stdin": "cat later.json | lossctl diff report.json /dev/stdin",
    }.items():
        # the names of the files are part of what is printed
        answer = "lossctl diff report.json later.json -f csv"
        yield Case(group, f"diff {name}", f"{REPORT} {script} -f csv", (0,), like=f"{REPORT} {answer}")
    for name, script in {
        "-": f"lossctl eval - {MSE} < rows.csv",
        "a pipe": f"cat rows.csv | lossctl eval - {MSE}",
        "/dev/stdin": f"lossctl eval /dev/stdin {MSE} < rows.csv",
        "a gzip file": f"lossctl eval - {MSE} < rows.csv.gz",
        "a Parquet file": f"cat rows.parquet | lossctl eval - {MSE}",
        "an archive": f"cat rows.npz | lossctl eval - {MSE}",
    }.items():
        yield Case(group, f"eval {name}", script, (0,), like=f"lossctl eval rows.csv {MSE}")


def outputs() -> Iterator[Case]:
    """Outputs that cannot or must not be written: refused before a row is read, and every input stays as it is."""
    group = "4 outputs that are refused"
    endless = " < <(cat rows.csv; exec sleep 60 2> /dev/null)"
    options = {
        "-o": ("eval", "-o json:{}"),
        "--rows-out": ("eval", "--rows-out {}.csv"),
        "--save-baseline": ("check", "--max mse=100 --save-baseline {}"),
        "-o of a page": ("eval", "-o html:{}"),
        "-o of a picture": ("plot residuals", "-o svg:{}"),
        "-o of a report": ("report", "-o html:{}"),
        "--state-out": ("eval", "--shard 1/2 --state-out {}"),
    }
    for option, (command, text) in options.items():
        run = f"lossctl {command} - -t y -p p " + ("-l mse " if command in ("eval", "report") else "")
        long, loop = "n" * 300, text.format("loop").split()[-1].partition(":")[2] or text.format("loop").split()[-1]
        yield Case(group, f"{option}: 300 characters", f"{run}{text.format(long)}{endless}", (2, 3), long, within=SOON)
        yield Case(
            group,
            f"{option}: a loop of links",
            f"ln -s {loop} {loop}; {run}{text.format('loop')}{endless}",
            (2, 3),
            "loop",
            within=SOON,
        )
        yield Case(group, f"{option}: below a file", f"{run}{text.format('rows.csv/x')}{endless}", (2, 3), within=SOON)
        if option != "--rows-out" and os.geteuid() == 0:  # a device is written to, and stays one
            name, file = text.format("full"), run.replace(" - ", " rows.csv ")
            script = f"mknod full c 1 7; {file}{name} > /dev/null; c=$?; test -c full || exit 99; exit $c"
            yield Case(group, f"{option}: a full device", script, (3,), "full", within=SOON)
        yield Case(group, f"{option}: no folder", f"{run}{text.format('none/x')}{endless}", (2, 3), within=SOON)
        if option != "--rows-out":
            pipe = text.format("pipe")
            yield Case(
                group,
                f"{option}: a pipe that nobody reads",
                f"mkfifo pipe; {run}{pipe}{endless}",
                (3,),
                "pipe",
                within=SOON,
            )
            ended = "c=$?; wait; test -s read || exit 99; exit $c"
            file = run.replace(" - ", " rows.csv ")  # shares read it twice
            script = f"mkfifo pipe; (cat pipe > read) & {file}{pipe} > /dev/null; {ended}"
            yield Case(group, f"{option}: a pipe that is read", script, (0,))
    summary = f"mkfifo pipe; GITHUB_STEP_SUMMARY=pipe lossctl eval rows.csv {MSE} -o md:pipe"
    yield Case(group, "a summary that is a pipe that nobody reads", summary, (3,), "pipe", within=SOON)
    for option in ("-o -", "-o json:-", "--rows-out -", "--save-baseline -"):
        command = "check" if "baseline" in option else "eval"
        more = "--max mse=100" if command == "check" else "-l mse"
        yield Case(
            group,
            option,
            f"lossctl {command} rows.csv -t y -p p {more} {option}; c=$?; ls -- - && exit 99; exit $c",
            (2,),
            "-",
        )
    evaluate = "lossctl eval rows.csv -t y -p p -l mse -o csv:{}"
    for name, (script, says) in {
        "an input": (evaluate.format("rows.csv"), "rows.csv"),
        "an input as ./": (evaluate.format("./rows.csv"), "rows.csv"),
        "an input by a link": (f"ln -s rows.csv x; {evaluate.format('x')}", "x"),
        "an input by a hard link": (f"ln rows.csv x; {evaluate.format('x')}", "x"),
        "an input through /dev/stdin": (f"{evaluate.format('/dev/stdin')} < rows.csv", "/dev/stdin"),
        "standard input": (f"{evaluate.format('rows.csv').replace('eval rows.csv', 'eval -')} < rows.csv", "rows.csv"),
        "per-row losses over an input": ("lossctl eval - -t y -p p -l mse --rows-out rows.csv < rows.csv", "rows.csv"),
        "a part of a folder": (f"{evaluate.format('parts/part-1.csv').replace('rows.csv', 'parts', 1)}", "part-1"),
        "a part by a hard link": (
            f"ln parts/part-1.csv x; {evaluate.format('x').replace('rows.csv', 'parts', 1)}",
            "x",
        ),
        "the configuration": ("lossctl eval rows.csv --config settings.toml -o json:settings.toml", "settings.toml"),
        "the configuration by a link": (
            "ln settings.toml x; lossctl eval rows.csv --config settings.toml -o json:x",
            "x",
        ),
        "the found configuration": (
            "cp settings.toml lossctl.toml; lossctl eval rows.csv -o json:lossctl.toml; c=$?; "
            "cmp settings.toml lossctl.toml || exit 99; exit $c",
            "lossctl.toml",
        ),
        "class weights": (
            "lossctl eval classes.csv -t y -p 'p_*' -l cce:class_weight=@weights.json -o json:./weights.json",
            "weights.json",
        ),
        "the report on standard input": (
            f"{REPORT} lossctl diff - later.json -o json:report.json < report.json; c=$?; "
            "cmp report.json later.json || exit 99; exit $c",
            "report.json",
        ),
        "a checked report on standard input": (
            f"{REPORT} lossctl check - --max mse=100 -o json:report.json < report.json; c=$?; "
            "cmp report.json later.json || exit 99; exit $c",
            "report.json",
        ),
        "a saved baseline over the data": (
            "lossctl check rows.csv -t y -p p --max mse=100 --save-baseline ./rows.csv",
            "rows.csv",
        ),
        "standard output that is added to an input": (
            "lossctl eval rows.csv -t y -p p -l mse -f csv >> rows.csv",
            "rows.csv",
        ),
    }.items():
        yield Case(group, name, script, (2, 3), says)


def streams() -> Iterator[Case]:
    """Standard output that is full, closed or left, and standard error that is full or closed."""
    group = "5 standard output full or closed"
    prints = {
        "-h": "lossctl -h",
        "--version": "lossctl --version",
        "-v --version": "lossctl -v --version",
        "eval -h": "lossctl eval -h",
        "check -h": "lossctl check -h",
        "diff -h": "lossctl diff -h",
        "losses -h": "lossctl losses -h",
        "losses list": "lossctl losses list",
        "losses list -h": "lossctl losses list -h",
        "losses show": "lossctl losses show mse",
        "losses choose -h": "lossctl losses choose -h",
        "--show-config": "lossctl check rows.csv --config settings.toml --show-config",
        "eval": f"lossctl eval rows.csv {MSE}",
        "eval -v": f"lossctl eval rows.csv {MSE} -v",
        "eval json": "lossctl eval rows.csv -t y -p p -l mse -f json",
        "validate": "lossctl validate rows.csv -t y -p p",
        "compare": "lossctl compare rows.csv -t y -p p -p k -l mse",
        "check": "lossctl check rows.csv -t y -p p --max mse=100",
        "choose": "lossctl losses choose rows.csv -t y",
        "diff": f"{REPORT} lossctl diff report.json later.json",
        "merge": f"{STATES} lossctl merge 1.state 2.state",
        "plot": "lossctl plot residuals rows.csv -t y -p p",
        "plot of a loss": "lossctl plot loss mse",
        "plot of reports": f"{REPORT} lossctl plot history report.json later.json",
        "report": "lossctl report rows.csv -t y -p p -l mse",
        "a page": "lossctl eval rows.csv -t y -p p -l mse -f html",
        "latex": "lossctl compare rows.csv -t y -p p -p k -l mse -f latex",
        "github": "lossctl check rows.csv -t y -p p --max mse=0 -f github",
        "junit": "lossctl check rows.csv -t y -p p --max mse=100 -f junit",
    }
    yield Case(group, "eval -o /dev/stdout >&-", f"lossctl eval rows.csv {MSE} -o json:/dev/stdout >&-", (3,), "stdout")
    for name, command in prints.items():
        yield Case(group, f"{name} > /dev/full", f"{command} > /dev/full", (3,), "standard output")
        yield Case(group, f"{name} >&-", f"{command} >&-", (3,), "standard output")
    group = "5 standard error full or closed"
    for name, (command, code) in {
        "eval": (f"lossctl eval rows.csv {MSE}", 0),
        "eval -v": (f"lossctl eval rows.csv {MSE} -v", 0),
        "eval --progress": (f"lossctl eval rows.csv {MSE} --progress", 0),
        "eval --debug": (f"lossctl eval rows.csv {MSE} --debug", 0),
        "a gate that fails": ("lossctl check rows.csv -t y -p p --max mse=0 -v --debug", 1),
        "a usage error": ("lossctl eval rows.csv -t y -p p -l nonsense --debug", 2),
        "a data error": ("lossctl eval none.csv -t y -p p -l mse --debug", 3),
        "a baseline error": (
            "lossctl check rows.csv -t y -p p --baseline none.json --max-regression mse=1 --debug",
            4,
        ),
        "validate": ("lossctl validate rows.csv -t y -p p -v", 0),
        "--rows-out": (f"lossctl eval rows.csv {MSE} -v --rows-out out.csv", 0),
        "diff": (f"{REPORT} lossctl diff report.json later.json", 0),
        "merge": (f"{STATES} lossctl merge 1.state 2.state -v", 0),
        "plot": ("lossctl plot residuals rows.csv -t y -p p", 0),
        "report": ("lossctl report rows.csv -t y -p p -o out.html -v", 0),
        "a share": ("lossctl eval rows.csv -t y -p p -l mse --shard 1/2 --state-out out.state -v", 0),
        "help": ("lossctl -h", 0),
    }.items():
        yield Case(group, f"{name} 2> /dev/full", f"{command} 2> /dev/full", (code,))
        yield Case(group, f"{name} 2>&-", f"{command} 2>&-", (code,))
    group = "5 a reader that leaves"
    formats = {
        "eval rows.csv -t y -p p -p k -l mse -l mae": (
            "table",
            "long",
            "csv",
            "json",
            "jsonl",
            "md",
            "value",
            "html",
            "latex",
        ),
        "compare rows.csv -t y -p p -p k -l mse": ("table", "json", "csv", "md", "html", "latex"),
        "check rows.csv -t y -p p --max mse=100 --max mae=100": (
            "table",
            "json",
            "jsonl",
            "csv",
            "md",
            "junit",
            "html",
            "latex",
        ),
        "validate rows.csv -t y -p p": ("table", "json"),
        "diff report.json later.json": ("table", "json", "csv", "md"),
        "losses choose rows.csv -t y": ("table", "json"),
        "losses list": ("table", "json", "md"),
        "losses show mse": ("table", "json"),
        "merge 1.state 2.state": ("table", "json", "csv", "md"),
        "plot residuals rows.csv -t y -p p": ("text", "json"),
        "plot history report.json later.json": ("text", "json"),
        "report rows.csv -t y -p p": ("html",),
        "report report.json": ("html",),
    }
    for command, forms in formats.items():
        for form in forms:
            script = f"{before(command)} lossctl {command} -f {form} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}"
            yield Case(group, f"{command.split(' -')[0]} -f {form} | head -1", script, (141,))
    for command in ("-h", "eval -h", "losses list -h", "-v --version", "check rows.csv -t y -p p --show-config"):
        yield Case(
            group, f"{command} | head -1", f"lossctl {command} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}", (141,)
        )
    failing = "lossctl check rows.csv -t y -p p --max mse=0 -f json | head -1 > /dev/null; exit ${PIPESTATUS[0]}"
    yield Case(group, "a gate that fails | head -1", failing, (1,))
    plain = "lossctl eval rows.csv -t y -p p -p k -l mse -f csv"
    yield Case(group, "| cat", f"{plain} | cat; exit ${{PIPESTATUS[0]}}", (0,), like=plain)
    yield Case(group, "| a late reader", f"{plain} | (sleep 1; cat); exit ${{PIPESTATUS[0]}}", (0,), like=plain)


def limits() -> Iterator[Case]:
    """Files that must not grow, few descriptors, and signals that a parent ignores or that kill."""
    group = "7 limits and signals"
    small = "(ulimit -f 0; lossctl {}); c=$?; ls out.* 2> /dev/null && exit 99; exit $c"
    for name, (command, says) in {
        "-o": (f"eval rows.csv {MSE} -o json:out.json", "out.json"),
        "--rows-out": (f"eval rows.csv {MSE} --rows-out out.parquet", "out.parquet"),
        "--rows-out of CSV": (f"eval rows.csv {MSE} --rows-out out.csv", "out.csv"),
        "--save-baseline": ("check rows.csv -t y -p p --max mse=99 --save-baseline out.json", "out.json"),
        "standard input": (f"eval - {MSE} < rows.csv", "standard input"),
    }.items():
        yield Case(group, f"no room: {name}", small.format(command), (3,), says)
    for name, command in {
        "a page": "lossctl eval rows.csv -t y -p p -l mse -o html:out.html",
        "a report": "lossctl report rows.csv -t y -p p -o html:out.html",
        "a picture": "lossctl plot residuals rows.csv -t y -p p -o out.png",
    }.items():
        script = f"ulimit -v 8000000; {command}; c=$?; ls out.* 2> /dev/null && exit 99; exit $c"
        yield Case(group, f"little address space: {name}", script, (3,), "ulimit -v")
    plain = f"lossctl eval rows.csv {MSE}"
    yield Case(group, "ten descriptors", f"ulimit -n 10; {plain}", (0,), like=plain)
    yield Case(
        group, "ten descriptors, standard input", f"ulimit -n 10; lossctl eval - {MSE} < rows.csv", (0,), like=plain
    )
    for name in ("HUP", "INT", "TERM"):
        script = f"trap '' {name}; {plain} & sleep 0.3; kill -{name} $!; wait $!"
        yield Case(group, f"{name} that a parent ignores", script, (0,), like=plain)
    summary = "GITHUB_STEP_SUMMARY=out.md lossctl eval rows.csv -t y -p p -l mse -f value -o md:out.md"
    script = f"cp old.txt out.md; (ulimit -f 0; {summary}); c=$?; cmp old.txt out.md || exit 99; exit $c"
    yield Case(group, "no room: a summary that is added to", script, (3,), "out.md")


def single() -> Iterator[Case]:
    """All cases of one run each."""
    yield from no_files()
    yield from outputs()
    yield from streams()
    yield from limits()
