"""The files of a release hold whatever a specification says, and name it by its digest."""

import random
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import SourceFile, digest, text_digest
from schemas.contract import Contract
from schemas.project import (
    MANIFEST_PATH,
    manifest_file,
    manifest_of,
    package_tree,
    render_changelog,
    render_pyproject,
    render_workflow,
    tree_digest,
)
from schemas.specification import Specification
from schemas.verdict import Manifest
from tests.builders import assembly, candidate, contract, small_contract, source, srs, suite

HOSTILE = [
    *('say "hi"', "it's", '"""', "a\\nb\\", "a\nb\r\nc", "\ttab", "é 日本 \U0001f600", "}{ {x} %s", "a\x7fb"),
    *("\x01\x1b[0m\x9f", '"\n[project.scripts]\nevil = "os:system"', "# comment", "\u2028\x85", ""),
]
FILES = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/d", "e.py"]), st.text(max_size=5).filter(lambda t: "\0" not in t)
)


def pyproject(purpose: str = "Weighs.", made: tuple[Contract, ...] = (), tests: str = "") -> dict[str, Any]:
    whole = assembly(
        srs=srs(purpose=purpose, title=purpose),
        contracts=made or (contract(),),
        suite=suite(source("tests/test_a.py", tests)),
    )
    return tomllib.loads(render_pyproject(whole, "3.11", "0.1.0"))


@pytest.mark.parametrize("purpose", HOSTILE)
def test_a_hostile_purpose_stays_one_line_of_text(purpose: str) -> None:
    made = pyproject(purpose)
    assert made["project"]["description"] == " ".join(purpose.replace("\x7f", " ").split())
    assert made["project"]["scripts"] == {"weigh": "weights.parsing:main"}
    assert pyproject("x") == {**made, "project": {**made["project"], "description": "x"}}


@given(st.text().filter(lambda t: "\0" not in t))
def test_any_purpose_makes_a_valid_pyproject(purpose: str) -> None:
    assert "\n" not in pyproject(purpose)["project"]["description"]


def test_pyproject_says_what_the_contract_says() -> None:
    made = pyproject(made=(small_contract(package="my_twice"),), tests="import hypothesis\n")
    project = made["project"]
    assert (project["name"], project["version"], project["requires-python"]) == (
        "my-twice",
        "0.1.0",
        ">=3.11",
    )
    assert "scripts" not in project
    assert project["optional-dependencies"]["test"] == ["pytest>=8", "hypothesis>=6"]
    assert pyproject()["project"]["optional-dependencies"]["test"] == ["pytest>=8"]
    assert made["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/my_twice"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_changelog_has_one_line_for_each_requirement(text: str) -> None:
    entry = {"id": "FR-1", "text": text, "criteria": [{"id": "FR-1.1", "text": "x"}]}
    lines = render_changelog(srs(requirements=[entry]), "0.2.0").splitlines()
    assert lines[:4] == ["# Changelog", "", "## 0.2.0", ""]
    assert len(lines) == 5
    assert lines[4].endswith(" (FR-1)")


def entry(name: str, text: str = "x", **more: Any) -> dict[str, Any]:
    return {"id": name, "text": text, "criteria": [{"id": f"{name}.1", "text": "y"}], **more}


def test_a_changelog_after_an_earlier_specification_names_what_changed() -> None:
    old = srs(requirements=[entry("FR-1"), entry("FR-2"), entry("FR-3")])
    new = srs(requirements=[entry("FR-1"), entry("FR-2", "other"), entry("FR-4", "new")])
    assert render_changelog(new, "0.2.0", old).split("\n\n", 2)[2] == (
        "### Added\n\n- new (FR-4)\n\n### Changed\n\n- other (FR-2)\n\n### Removed\n\n- x (FR-3)\n"
    )
    assert "No requirement changed." in render_changelog(old, "0.2.0", old)


def test_a_requirement_that_another_sentence_asks_for_did_not_change() -> None:
    parts = {**srs().model_dump(), "glossary": [], "unserved": [], "questions": []}
    one, two = (
        Specification.model_validate(
            {**parts, "requirements": [entry("FR-1", sources=[s], metric=None, target=None)]}
        )
        for s in ("S1", "S2")
    )
    assert "No requirement changed." in render_changelog(two, "0.2.0", one)
    assert "No requirement changed." in render_changelog(two, "0.2.0", srs(requirements=[entry("FR-1")]))


def test_the_workflow_is_yaml_that_runs_the_tests() -> None:
    job = yaml.safe_load(render_workflow("3.11"))["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert job["steps"][1]["with"]["python-version"] == "${{ matrix.python }}"
    assert job["steps"][-1] == {"run": "pytest"}


def test_what_can_be_built_has_every_part_once() -> None:
    code = (source("src/twice/doubling.py", "\n"),)
    whole = assembly(suite=suite(source("tests/test_a.py", "\n")), code=code)
    tree = package_tree(whole, "3.11", "0.1.0")
    assert [f.path for f in tree] == [
        *("src/twice/doubling.py", "tests/test_a.py", "README.md", "pyproject.toml", ".gitignore")
    ]


def files_of(texts: dict[str, str]) -> list[SourceFile]:
    return [source(path, text) for path, text in texts.items()]


def manifest(files: list[SourceFile], **changes: Any) -> Manifest:
    parts: dict[str, Any] = {
        "slug": "twice",
        "version": "0.1.0",
        "brief": "# Twice\n",
        "assembly": assembly(),
        "candidate": candidate().digest(),
        "claims": {"FR-1.1": ("a",)},
    }
    return manifest_of(files=files, **{**parts, **changes})


@given(FILES, st.randoms())
def test_tree_and_manifest_do_not_depend_on_the_order_of_files(
    texts: dict[str, str], chance: random.Random
) -> None:
    files = files_of(texts)
    mixed = chance.sample(files, len(files))
    assert tree_digest(mixed) == tree_digest(files)
    assert manifest_file(manifest(mixed)) == manifest_file(manifest(files))


@given(FILES, FILES)
def test_different_trees_have_different_digests(one: dict[str, str], other: dict[str, str]) -> None:
    assert (tree_digest(files_of(one)) == tree_digest(files_of(other))) is (one == other)


def test_a_manifest_names_every_part_by_its_digest_and_comes_back() -> None:
    made = manifest(files_of({"a": "x"}))
    file = manifest_file(made)
    assert file.path == MANIFEST_PATH
    assert Manifest.model_validate_json(file.text) == made
    assert (made.brief, made.files) == (text_digest("# Twice\n"), {"a": text_digest("x")})
    assert (made.srs, made.contract) == (srs().digest(), small_contract().digest())
    assert (made.suite, made.candidate) == (suite().digest(), candidate().digest())


def test_several_contracts_have_one_digest_together_that_each_changes() -> None:
    one, other = small_contract(), small_contract(module="halving")
    names = [
        manifest([], assembly=assembly(contracts=c)).contract for c in ((one,), (one, other), (other, one))
    ]
    assert names[1] == digest((one, other))
    assert len(set(names)) == 3


def test_only_the_contract_with_a_command_becomes_a_script() -> None:
    made = pyproject(made=(small_contract(package="weights"), contract()))
    assert made["project"]["scripts"] == {"weigh": "weights.parsing:main"}


@pytest.mark.parametrize(
    "change",
    [
        *({"slug": "other"}, {"version": "0.2.0"}, {"brief": "# Other\n"}, {"claims": {}}),
        {"assembly": assembly(srs=srs(title="Other"))},
        {"assembly": assembly(contracts=(contract(),))},
        {"assembly": assembly(suite=suite(tests=("a",)))},
        {"candidate": candidate(source("a", "")).digest()},
    ],
)
def test_every_part_changes_the_manifest(change: dict[str, Any]) -> None:
    assert manifest([], **change).digest() != manifest([]).digest()
