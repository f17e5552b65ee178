"""The house stays one to live in: no circles, a name is one thing, every room says what it is for.

`make house` measures what has no gate.
"""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.house import Trees, bare_words, circles, imports, room, shared_basenames, sources

PAGE = 60  # lines, up to the rule below which chapters for users stand


@pytest.fixture(scope="module")
def trees() -> Trees:
    return sources(ROOT)


def test_no_modules_import_each_other_in_a_circle_lazily_or_for_types_alone(trees: Trees) -> None:
    assert circles(imports(trees)) == []


def test_a_basename_means_one_thing_in_all_rooms(trees: Trees) -> None:
    assert {name: list(map(str, files)) for name, files in shared_basenames(trees).items()} == {}


def test_every_room_says_on_a_page_what_it_is_for(trees: Trees) -> None:
    readmes = [ROOT / "lossctl" / name / "README.md" for name in sorted(set(map(room, trees)) - {""})]
    assert [str(file.relative_to(ROOT)) for file in readmes if not file.is_file()] == []
    pages = {str(file.relative_to(ROOT)): file.read_text("utf-8").partition("\n---\n")[0] for file in readmes}
    lengths = {file: len(page.splitlines()) for file, page in pages.items()}
    assert {file: length for file, length in lengths.items() if not 0 < length <= PAGE} == {}


def test_names_say_the_thing(trees: Trees) -> None:
    places, share = bare_words(trees)
    assert share < 0.01, "\n".join(f"{file}:{line} {name}" for file, line, name in places)


def test_a_circle_is_noticed() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"e", "a"}, "e": {"d"}}
    assert circles(graph) == [["b", "c"], ["d", "e"]]
