"""The house in numbers: how large the package is, how long its walks are, and how often it says a thing.

`python -m tests.house [FOLDER]` measures the checkout in FOLDER, by default this one; `-v` lists the places behind the
counts, `--names FILE...` only the bare words of some files. What is counted, and how:

files, lines        every .py file below lossctl/, its blank lines too; schemas and READMEs are not code
lines before ...    of each file what stands above its first statement other than docstring and imports
eval                `RUN` in a fresh process: files with a call of their own in them, and crossings: calls whose
                    nearest caller within lossctl, through library frames if need be, is in another file. What a module
                    executes when it is imported is left out, as is all that runs below an import
option              lines of api and cli that write `max_memory` (or --max-memory) anew: a parameter, an annotated
                    field, a keyword of a call, a name as an argument by position, a string that is the name or flag, as
                    a key is; neither reads nor help and messages. It stands for all, as few other names have one use
import circles      sets of modules that reach each other by imports; lazy and type-only ones count, and a name imported
                    from a package is an import of its __init__; the parents that Python imports on the way are none
basenames           names of modules that stand in several rooms (folders directly below lossctl/), other than those in
                    `SAME_THING`, where they mean the same: a command and its work
bare words          names bound to one of `BARE`, of all bound names: arguments, targets of all kinds, functions and
                    classes; once per scope, with underscores around it or not, `_` and attributes apart. In capitals
                    a word is a domain's name (WHOLE numbers) and does not count. `LOOSE` are words of the same kind
                    that can be a name in places; they have a line of their own, so that nothing flees there
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUN = "eval sample_data/diabetes.csv -t progression -p linear -l mse --threads 1"
OPTION = "max_memory"
SAME_THING = (
    {"api", "cli", "results", "output"},  # a command, its work, what comes of it, and how that is shown
    {"core", "losses"},  # a kind of data and the losses of it
)
BARE_WORDS = """
    apart asked chosen found given held kept known left own seen taken there wanted whole
    done here said told used what who
    anything desired discovered encountered existing got had met noticed obtained picked provided remaining requested
    selected something sought spotted stored supplied those
"""
LOOSE_WORDS = "both drawn each made mine named needed one ones other others rest shown some such theirs"
BARE, LOOSE = frozenset(BARE_WORDS.split()), frozenset(LOOSE_WORDS.split())
TRACER = """
import json, os, sys, threading
from collections import Counter
within, *arguments = sys.argv[1:]
state, files, crossings = threading.local(), set(), Counter()
def watch(frame, event, _):
    code, file = frame.f_code, frame.f_code.co_filename
    if file.startswith("<frozen importlib") and code.co_name in ("_find_and_load", "_handle_fromlist", "_gcd_import"):
        state.imports = getattr(state, "imports", 0) + {"call": 1, "return": -1}.get(event, 0)
    if event != "call" or getattr(state, "imports", 0) or not file.startswith(within) or code.co_name == "<module>":
        return
    files.add(file)
    caller = frame.f_back
    while caller and not caller.f_code.co_filename.startswith(within):
        caller = caller.f_back
    if caller and caller.f_code.co_filename != file:
        crossings[" > ".join(os.path.relpath(name, within)[:-3] for name in (caller.f_code.co_filename, file))] += 1
from lossctl.__main__ import run
threading.setprofile(watch)
sys.setprofile(watch)
code = run(arguments)
sys.setprofile(None)
print(json.dumps([code, sorted(os.path.relpath(file, within) for file in files), crossings]))
"""

Trees = dict[Path, ast.Module]
Places = list[tuple[Path, int, str]]
Graph = dict[str, set[str]]


def sources(root: Path) -> Trees:
    """Return every file of the package, as a path below the root, with its syntax tree."""
    return {file.relative_to(root): ast.parse(file.read_bytes()) for file in sorted((root / "lossctl").rglob("*.py"))}


def room(file: Path) -> str:
    """Return the folder directly below lossctl/ that holds a file."""
    return file.parts[1] if len(file.parts) > 2 else ""


def lines_ahead(tree: ast.Module, total: int) -> int:
    """Return how many of a file's lines stand before its first statement other than docstring and imports."""
    for statement in tree.body:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not text and not isinstance(statement, ast.Import | ast.ImportFrom):
            return min(node.lineno for node in (statement, *getattr(statement, "decorator_list", []))) - 1
    return total


def walk(root: Path) -> tuple[list[str], dict[str, int]]:
    """Return the files that one `eval` runs through, and how often it crosses from each into each."""
    plain = {key: text for key, text in os.environ.items() if "LOSSCTL" not in key and key != "PYTHONPATH"}
    command = [sys.executable, "-c", TRACER, f"{root / 'lossctl'}{os.sep}", *RUN.split()]
    environment = {**plain, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"}
    ended = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    code, files, crossings = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0, ended.stdout
    return files, crossings


def options(trees: Trees) -> list[str]:
    """Return the options of `lossctl.evaluate`: what it takes by keyword."""
    for file, tree in trees.items():
        for node in tree.body if room(file) == "api" else []:
            if isinstance(node, ast.FunctionDef) and node.name == "evaluate":
                return [argument.arg for argument in node.args.kwonlyargs]
    raise LookupError("lossctl/api has no function named evaluate")


def option_places(trees: Trees) -> dict[str, list[tuple[Path, int]]]:
    """Return the lines that write each option."""
    places: dict[str, set[tuple[Path, int]]] = {option: set() for option in options(trees)}
    spellings = {spelling: name for name in places for spelling in (name, f"--{name.replace('_', '-')}")}
    for file, tree in trees.items():
        nodes = list(ast.walk(tree)) if room(file) in ("api", "cli") else []
        reads = {id(node.slice) for node in nodes if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)}
        for node in nodes:
            match node:
                case _ if id(node) in reads:
                    continue
                case ast.arg(arg=str(name), lineno=line) | ast.keyword(arg=str(name), lineno=line):
                    texts = [(name, line)]
                case ast.AnnAssign(target=ast.Name(id=name), lineno=line):
                    texts = [(name, line)]
                case ast.Constant(value=str(text), lineno=line):
                    texts = [(part, line) for part in text.split("/")]
                case ast.Call(args=arguments):
                    texts = [(argument.id, argument.lineno) for argument in arguments if isinstance(argument, ast.Name)]
                case _:
                    continue
            for text, line in texts:
                if text in spellings:
                    places[spellings[text]].add((file, line))
    return {name: sorted(lines) for name, lines in places.items()}


def imports(trees: Trees) -> Graph:
    """Return which modules each module imports, wherever in it the import stands."""
    paths = {file.with_suffix("").parts: tree for file, tree in trees.items()}
    modules = {".".join(path[:-1] if path[-1] == "__init__" else path): tree for path, tree in paths.items()}
    graph: Graph = {name: set() for name in modules}
    for name, tree in modules.items():
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=aliases):
                    targets = {alias.name for alias in aliases}
                case ast.ImportFrom(module=str(source), names=aliases, level=0):
                    full = {f"{source}.{alias.name}" for alias in aliases}
                    targets = {target if target in modules else source for target in full}
                case ast.ImportFrom():
                    raise ValueError(f"{name}:{node.lineno}: imports are absolute here")
                case _:
                    continue
            graph[name] |= targets & modules.keys() - {name}
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of modules that reach each other."""

    def reach(start: str) -> set[str]:
        reached: set[str] = set()
        ahead = [start]
        while ahead:
            fresh = graph[ahead.pop()] - reached
            reached |= fresh
            ahead += fresh
        return reached

    reaches = {name: reach(name) for name in graph}
    sets = {frozenset(to for to in reaches[name] if name in reaches[to]) for name in graph}
    return sorted(sorted(members) for members in sets if members)


def shared_basenames(trees: Trees) -> dict[str, list[Path]]:
    """Return basenames that stand in several rooms with different meanings, and their files."""
    files = defaultdict(list)
    for file in trees:
        if not file.name.startswith("__"):
            files[file.stem].append(file)
    rooms = {name: set(map(room, paths)) for name, paths in files.items()}
    differ = [name for name in files if len(rooms[name]) > 1 and not any(rooms[name] <= same for same in SAME_THING)]
    return {name: files[name] for name in sorted(differ)}


def bindings(node: ast.AST, scope: int = 0) -> Iterator[tuple[int, str, int]]:
    """Yield the scope, name and line of all that is bound below a node."""
    for child in ast.iter_child_nodes(node):
        inner = scope
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield scope, child.name, child.lineno
                inner = id(child)
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = id(child)
            case ast.arg():
                yield scope, child.arg, child.lineno
            case ast.Name(ctx=ast.Store()):
                yield scope, child.id, child.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield scope, name, child.lineno
        yield from bindings(child, inner)


def bound_names(tree: ast.Module) -> dict[tuple[int, str], int]:
    """Return scope and name -> line of the first binding; `_` is no name."""
    first: dict[tuple[int, str], int] = {}
    for scope, name, line in bindings(tree):
        if name.strip("_"):
            first.setdefault((scope, name.strip("_")), line)
    return first


def bare_words(trees: Trees, words: frozenset[str] = BARE) -> tuple[Places, float]:
    """Return where a name is a bare participle or pointer, and the share of bound names that are."""
    names = {file: bound_names(tree) for file, tree in trees.items()}
    places = [(file, line, name) for file, at in names.items() for (_, name), line in at.items() if name in words]
    return sorted(places), len(places) / sum(map(len, names.values()))


def table(root: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield what was measured, its value, the goal, and the places behind it."""
    trees = sources(root)
    lengths = {file: len((root / file).read_text("utf-8").splitlines()) for file in trees}
    total = sum(lengths.values())
    yield "files / lines of lossctl/", f"{len(trees)} / {total:,}", "about 120 / 30,000", []
    ahead = sum(lines_ahead(tree, lengths[file]) for file, tree in trees.items())
    yield "lines before a file's first statement", f"{ahead / total:.1%}", "6 %", []
    files, crossings = walk(root)
    pairs = [f"{count:3} {pair}" for pair, count in sorted(crossings.items(), key=lambda entry: -entry[1])]
    size = f"{len(files)} / {sum(crossings.values())}"
    yield "files that one eval runs through / crossings", size, "40 / 250", [*files, *pairs]
    places = option_places(trees)
    at = [f"{file}:{line}" for file, line in places[OPTION]]
    counts = [f"{len(lines)} {option}" for option, lines in places.items()]
    yield f"places in which {OPTION} is written", f"{len(at)}", "2", [*at, *counts]
    rings = circles(imports(trees))
    yield "import circles", f"{len(rings)}", "0", [", ".join(ring) for ring in rings]
    shared = shared_basenames(trees)
    yield "basenames with several meanings", f"{len(shared)}", "0", [", ".join(map(str, at)) for at in shared.values()]
    for label, words, goal in (("bound names that are bare words", BARE, "1 %"), ("  looser words", LOOSE, "")):
        names, share = bare_words(trees, words)
        rows = [f"{file}:{line} {name}" for file, line, name in names]
        yield label, f"{len(names)} = {share:.1%}", goal, rows
    yield "README.md", f"{(root / 'README.md').stat().st_size:,} bytes", "25,000", []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.house", description="Measure the package.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT, help="a checkout [default: this one]")
    parser.add_argument("-v", "--verbose", action="store_true", help="the places behind each number too")
    parser.add_argument("--names", nargs="+", type=Path, metavar="FILE", help="only bare words of these files")
    arguments = parser.parse_args()
    if arguments.names:
        trees = {file: ast.parse(file.read_bytes()) for file in arguments.names}
        places, share = bare_words(trees, BARE | LOOSE)
        for file, line, name in places:
            print(f"{file}:{line} {name}{' (loose)' if name in LOOSE else ''}")
        print(f"{len(places)} = {share:.1%} of bound names")
        return
    for label, value, goal, rows in table(arguments.folder.resolve()):
        print(f"{label:46}{value:>18}   {goal}".rstrip())
        if arguments.verbose or label == "import circles":
            print(*(f"    {row}" for row in rows), sep="\n", end="\n" if rows else "")


if __name__ == "__main__":
    main()
