import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from services.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_runs_the_services_that_settings_can_name() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "redis", "chroma", "prefect"}
    images = {name: service["image"] for name, service in COMPOSE["services"].items()}
    assert images["postgres"] == "postgres:17"
    assert images["redis"] == "redis:7"
    assert images["prefect"].startswith("prefecthq/prefect:3.8.8-")


def test_compose_gives_prefect_a_database_of_its_own_and_opens_no_port_to_others() -> None:
    services = COMPOSE["services"]
    assert services["prefect"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"].endswith(":5432/prefect")
    assert "CREATE DATABASE prefect" in COMPOSE["configs"]["prefect_database"]["content"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_compose_names_no_volume_or_config_that_it_does_not_define() -> None:
    for service in COMPOSE["services"].values():
        assert {v.split(":")[0] for v in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        assert {c["source"] for c in service.get("configs", [])} <= set(COMPOSE["configs"])
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])


def test_the_example_of_env_lists_every_setting_and_nothing_else() -> None:
    listed = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    aliases = {field.alias for field in Settings.model_fields.values()}
    assert listed == aliases | {"POSTGRES_PASSWORD"}


def test_the_example_of_env_is_valid_as_it_stands() -> None:
    settings = Settings(_env_file=ROOT / ".env.example")
    assert settings.home.is_absolute()


@pytest.mark.services
def test_every_deployment_points_at_a_flow() -> None:
    """Read with Prefect's own loader, in a process of its own."""
    script = (
        "import json, sys, pathlib, rich.console\n"
        "from prefect.cli.deploy._config import _load_deploy_configs_and_actions as load\n"
        "console = rich.console.Console(stderr=True)\n"
        "print(json.dumps(load(pathlib.Path('prefect.yaml'), console=console)[0]))"
    )
    read = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert read.stderr == ""
    deployments = json.loads(read.stdout)
    assert {"build", "lite", "develop"} <= {d["name"] for d in deployments}
    for deployment in deployments:
        assert deployment["work_pool"]["name"] == "phoenix"
        assert deployment["work_pool"]["job_variables"]["stream_output"] is False
        assert deployment["work_pool"]["job_variables"]["env"] == {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        file, _, function = deployment["entrypoint"].partition(":")
        tree = ast.parse((ROOT / file).read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.AsyncFunctionDef)}


def test_automations_wait_and_leave_alone_what_no_worker_carries() -> None:
    """A reaction to the first report of a crash starts a run twice: a worker reports it twice."""
    automations = yaml.safe_load((ROOT / "deployments/automations.yaml").read_text())
    assert [(a["trigger"]["posture"], a["trigger"]["within"]) for a in automations] == [
        ("Proactive", 75),
        ("Proactive", 30),
    ]
    for automation in automations:
        assert automation["trigger"]["match_related"]["prefect.resource.role"] == "deployment"


@pytest.mark.parametrize("file", sorted((ROOT / ".vscode").glob("*.json")), ids=lambda f: f.name)
def test_editor_settings_are_json(file: Path) -> None:
    assert json.loads(file.read_text())


def test_hooks_before_a_commit_come_from_this_repository_alone() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert [hook["id"] for hook in config["repos"][0]["hooks"]] == [
        "ruff-format",
        "ruff-check",
        "mypy",
        "bandit",
    ]


def test_every_target_of_make_says_what_it_does() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = {line.split()[1] for line in said.splitlines()}
    assert targets == {"help", "setup", "demo", "test", "e2e", "lint", "unit", "chaos"}


def test_the_ci_example_builds_with_the_command_that_exists() -> None:
    found = yaml.safe_load((ROOT / "deployments/ci/github-actions.yml").read_text())
    [step] = [s for s in found["jobs"]["build"]["steps"] if "phoenix build" in s.get("run", "")]
    command = [sys.executable, "-m", "phoenix.main", "build", "--help"]
    help_text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for word in step["run"].split():
        assert not word.startswith("--") or word in help_text
