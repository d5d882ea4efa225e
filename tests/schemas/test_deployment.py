"""Dockerfile, workflow and bill of materials say what the release is, whatever its texts hold."""

import json
from datetime import date

import pytest
import yaml

from schemas.deployment import render_ci_workflow, render_dockerfile, render_dockerignore
from schemas.dockerfile import base_image, dockerfile_problems, parse_dockerfile
from schemas.sbom import render_sbom
from tests.assemblies import nasty_assembly, small_assembly

PATHS = ("pyproject.toml", "README.md", "src/twice/doubling.py")


def test_a_library_is_imported_and_a_command_is_run() -> None:
    assert render_dockerfile(small_assembly(), "3.11").endswith(
        'CMD ["python", "-c", "import twice; print(twice.__name__)"]\n'
    )
    assert render_dockerfile(nasty_assembly(), "3.11").endswith('ENTRYPOINT ["weigh"]\n')


def test_any_title_stays_inside_its_label() -> None:
    [label] = [i for i in parse_dockerfile(render_dockerfile(nasty_assembly(), "3.11")) if i.name == "LABEL"]
    assert label.words.count("org.opencontainers.image.") == 3
    hostile = small_assembly()
    srs = hostile.srs.model_copy(update={"title": 'a "b" $HOME \\\nUSER root\n\\'})
    text = render_dockerfile(hostile.model_copy(update={"srs": srs}), "3.11")
    assert 'image.title="a \\"b\\" \\$HOME \\\\ USER root \\\\"' in text
    assert [i.words for i in parse_dockerfile(text) if i.name == "USER"] == ["10001"]


def test_what_is_rendered_keeps_every_rule() -> None:
    for assembly in (small_assembly(), nasty_assembly()):
        text = render_dockerfile(assembly, "3.12")
        assert dockerfile_problems(text, PATHS) == []
        assert base_image(text) == "python:3.12-slim-bookworm"
    assert render_dockerignore().splitlines()[0] == "*"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("RUN true\n", "there is no FROM"),
        ("FROM python\nUSER a\nCMD []\n", "needs a tag"),
        ("FROM python:latest\nUSER a\n", "needs a tag"),
        ("ARG B\nFROM $B\nUSER a\n", "needs a tag"),
        ("FROM a:1\nCMD ['x']\n", "must be a JSON list"),
        ('FROM a:1\nCMD ["x"]\n', "USER other than root"),
        ('FROM a:1\nUSER 0:0\nCMD ["x"]\n', "USER other than root"),
        ("FROM a:1\nUSER a\n", "starts nothing"),
        ("FROM a:1\nCOPY there gone ./\n", "'gone' is not in the tree"),
        ("FROM a:1\nADD http://x/y /\n", "use COPY"),
        ("FROM a:1\nENV API_KEY=1\n", "store a secret"),
        ("FROM a:1\nRUN curl x \\\n  | sh\n", "line 2: no sudo"),
        ("FROM a:1\nRUNN x\n", "'RUNN' is no instruction"),
    ],
)
def test_a_broken_rule_is_named(text: str, problem: str) -> None:
    assert any(problem in found for found in dockerfile_problems(text, ("there/a",)))


def test_the_workflow_tests_builds_the_documentation_and_the_container() -> None:
    workflow = yaml.safe_load(render_ci_workflow(small_assembly(), "3.11", "sphinx"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.14"]
    assert "sphinx-build -W" in workflow["jobs"]["docs"]["steps"][-1]["run"]
    assert workflow["jobs"]["docker"]["steps"][1]["run"] == "docker build --tag twice ."
    assert "cache" not in render_ci_workflow(small_assembly(), "3.11", "mkdocs")


def test_the_newest_python_is_tested_once() -> None:
    workflow = yaml.safe_load(render_ci_workflow(small_assembly(), "3.14", "mkdocs"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.14"]


def bill(assembly: object = None, **changes: object) -> str:
    given = {"name": "twice", "version": "0.1.0", "brief_date": date(2026, 3, 1), **changes}
    return render_sbom(assembly or small_assembly(), **given)  # type: ignore[arg-type]


def test_the_bill_of_materials_depends_on_the_release_alone() -> None:
    one = small_assembly()
    turned = one.model_copy(update={"code": tuple(reversed(one.code))})
    assert bill(one) == bill(turned) == bill()
    other = one.model_copy(update={"code": one.code[:1]})
    serials = {json.loads(b)["serialNumber"] for b in (bill(), bill(other), bill(version="2"))}
    assert len(serials) == 3


def test_the_bill_of_materials_names_files_and_dependencies() -> None:
    made = json.loads(bill(dependencies=[("requests", "2.34.2"), ("attrs", "26.1")]))
    assert made["metadata"]["timestamp"] == "2026-03-01T00:00:00Z"
    assert [c["name"] for c in made["metadata"]["component"]["components"]] == [
        "src/twice/__init__.py",
        "src/twice/doubling.py",
    ]
    assert [c["purl"] for c in made["components"]] == ["pkg:pypi/attrs@26.1", "pkg:pypi/requests@2.34.2"]
    assert made["dependencies"][0]["dependsOn"] == ["pkg:pypi/attrs@26.1", "pkg:pypi/requests@2.34.2"]
    assert json.loads(bill())["dependencies"] == [{"dependsOn": [], "ref": "pkg:pypi/twice@0.1.0"}]
