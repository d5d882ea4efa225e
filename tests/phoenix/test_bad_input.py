"""Bad input gives one clear line, the right exit code, and loses nothing."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.model_server import ModelServer, answer, status
from tests.phoenix.command import Done, environment, phoenix

REHEARSAL = ("--model", "rehearsal:seed=7", "--approve", "auto")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty home and nothing else."""
    return environment(PHOENIX_HOME=str(tmp_path / "home"), DATABASE_URL=None)


def refused(done: Done, code: int, *says: str) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    assert done.line.startswith("phoenix: ")
    for text in says:
        assert text in done.line


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the brief is empty"),
        (b" \n\t\n", "the brief is empty"),
        (b"# Big\n" + b"x" * 2_000_000, "200,000 bytes"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not UTF-8 text"),
        (b"# A\n\x00\n", "NUL"),
        (b"just some words\n", "nothing names the project"),
        (b"# Title alone\n", "a title and nothing else"),
        (b"---\nnmae: x\n---\n# A\nb\n", "front matter"),
    ],
)
def test_a_bad_brief_on_standard_input_is_refused(home: dict[str, str], data: bytes, says: str) -> None:
    refused(phoenix("build", "-", *REHEARSAL, stdin=data, env=home), 2, "standard input", says)


def test_a_missing_file_and_a_folder_are_refused(home: dict[str, str], tmp_path: Path) -> None:
    refused(phoenix("build", "no-such.md", *REHEARSAL, env=home), 2, "no-such.md", "cannot be read")
    refused(phoenix("build", str(tmp_path), *REHEARSAL, env=home), 2, "cannot be read")


def test_a_model_is_needed_and_a_bad_budget_refused(home: dict[str, str], brief: str) -> None:
    refused(phoenix("build", brief, env=home), 2, "no model is set", "phoenix demo")
    for amount in ("-1", "much", "nan"):
        refused(phoenix("build", brief, *REHEARSAL, "--budget", amount, env=home), 2, "--budget")


@pytest.mark.services
def test_an_unknown_model_is_refused(served: dict[str, str], brief: str) -> None:
    refused(phoenix("build", brief, "--model", "gpt-9", env=served), 2, "gpt-9", "openai:")


@pytest.mark.services
def test_an_unreachable_model_server_is_told_apart_from_a_wrong_key(
    served: dict[str, str], brief: str
) -> None:
    gone = {**served, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "PHOENIX_FREE_MODELS": "openai:*"}
    refused(phoenix("build", brief, "--model", "openai:m", env=gone), 7, "127.0.0.1:9")
    with ModelServer(status(401)) as server:
        wrong = {**gone, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-wrong-and-secret"}
        done = phoenix("build", brief, "--model", "openai:m", env=wrong)
    refused(done, 2, "key")
    assert "sk-wrong-and-secret" not in done.err


@pytest.mark.services
def test_an_unpriced_model_is_refused_with_the_setting_to_type(served: dict[str, str], brief: str) -> None:
    with ModelServer(answer("{}")) as server:
        env = {**served, "OPENAI_BASE_URL": server.url}
        refused(phoenix("build", brief, "--model", "openai:nobody-knows", env=env), 2, "PHOENIX_PRICES")


@pytest.mark.services
def test_a_database_that_is_down_and_one_of_another_kind_are_told_apart(
    served: dict[str, str], brief: str
) -> None:
    down = {**served, "DATABASE_URL": "postgresql://u:hunter2hunter2@127.0.0.1:9/x"}
    done = phoenix("build", brief, *REHEARSAL, env=down)
    refused(done, 7, "127.0.0.1")
    assert "hunter2hunter2" not in done.err
    other = {**served, "DATABASE_URL": "mysql://127.0.0.1/x"}
    refused(phoenix("build", brief, *REHEARSAL, env=other), 2, "postgresql")


@pytest.mark.services
def test_a_missing_sandbox_is_a_refusal_that_says_what_to_install(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("git", "setpriv", "sh"):
        (tools / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())
    done = phoenix("build", brief, *REHEARSAL, env={**served, "PATH": str(tools)})
    refused(done, 7, "bubblewrap", "apt-get install bubblewrap")


@pytest.mark.services
def test_output_that_cannot_be_written_or_is_somebodys_work_is_refused_before_any_call(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    out = ("--output", str(blocked / "below"))
    refused(phoenix("build", brief, *REHEARSAL, *out, env=served), 2, "not a folder that you can write")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    refused(phoenix("build", brief, *REHEARSAL, "--output", str(mine), env=served), 2, "not a release")
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert phoenix("status", env=served).out.startswith("No projects yet")


@pytest.mark.services
def test_a_model_that_answers_nonsense_halts_with_one_json_object(served: dict[str, str], brief: str) -> None:
    done = phoenix(
        "build", brief, "--model", "rehearsal:schema_violation=1", "--approve", "auto", "--json", env=served
    )
    assert done.code == 4
    result = json.loads(done.out)
    assert (result["state"], result["release"]) == ("HALTED", None)
    assert "planner" in result["message"]
    assert result["models"]["calls"] == 3


@pytest.mark.services
def test_an_answer_that_is_always_cut_off_halts(served: dict[str, str], brief: str) -> None:
    with ModelServer(answer('{"srs": ', "length")) as server:
        env = {**served, "OPENAI_BASE_URL": server.url, "PHOENIX_FREE_MODELS": "openai:*"}
        done = phoenix("build", brief, "--model", "openai:m", "--approve", "auto", env=env)
    refused(done, 4, "agent planner")
    assert "cut off" in done.line


@pytest.mark.services
def test_nobody_at_the_terminal_waits_and_names_the_way_on(served: dict[str, str], brief: str) -> None:
    model = ("--model", "rehearsal:seed=7")
    done = phoenix("build", brief, *model, env=served)
    refused(done, 3, "phoenix approve", "release gate")
    done = phoenix("build", brief, *model, "--approve", "auto", "--json", env=served)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["models"] | {"cost_usd": None} == result["models"] | {"calls": 0, "cost_usd": None}


def test_outputs_without_a_name_or_with_too_long_a_one_are_refused(home: dict[str, str], brief: str) -> None:
    for output in ("/", "x" * 300):
        refused(
            phoenix("build", brief, *REHEARSAL, "--output", output, env=home), 2, "not a name for a folder"
        )


def test_a_bad_setting_is_named(home: dict[str, str], brief: str) -> None:
    env = {**home, "PHOENIX_PRICES": "{bad"}
    refused(phoenix("build", brief, *REHEARSAL, env=env), 2, "PHOENIX_PRICES", "not JSON")
    refused(phoenix("status", env={**home, "PHOENIX_BUDGET_USD": "much"}), 2, "PHOENIX_BUDGET_USD")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ('{"gpt-5": {"requests_per_minute": 0}}', "gpt-5.requests_per_minute: Input should be greater than"),
        (
            '{"gpt-5": {"tokens_per_minute": "many"}}',
            "gpt-5.tokens_per_minute: Input should be a valid integer",
        ),
        ('{"gpt-5": {"per_hour": 3}}', "gpt-5.per_hour: Extra inputs are not permitted"),
        ('{"gpt-5": {}}', "give requests_per_minute, tokens_per_minute or both"),
        ("60", "valid dictionary"),
        ("{", "is not JSON"),
    ],
)
def test_a_bad_rate_limit_is_refused_in_one_line(home: dict[str, str], limits: str, says: str) -> None:
    done = phoenix("status", env={**home, "PHOENIX_RATE_LIMITS": limits})
    refused(done, 2, "PHOENIX_RATE_LIMITS", says)
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.services
@pytest.mark.parametrize(
    "url", ["cache:6379", "http://:hunter2hunter2@cache", "redis://:hunter2/hunter2@cache/0"]
)
def test_a_redis_url_of_another_kind_is_refused_without_its_password(
    served: dict[str, str], brief: str, url: str
) -> None:
    done = phoenix("build", brief, *REHEARSAL, env={**served, "REDIS_URL": url})
    refused(done, 2, "REDIS_URL", "redis://")
    assert "hunter2" not in done.err


@pytest.mark.services
def test_a_redis_that_is_not_there_stops_no_run_and_is_named_once(served: dict[str, str], brief: str) -> None:
    env = {**served, "REDIS_URL": "redis://:hunter2hunter2@127.0.0.1:9/0"}
    done = phoenix("build", brief, *REHEARSAL, "--json", env=env)
    assert done.code == 0, done.err
    assert done.err.count("Redis does not answer") == 1
    assert "hunter2hunter2" not in done.err + done.out


def test_unknown_schemas_projects_and_examples_are_refused(home: dict[str, str], tmp_path: Path) -> None:
    refused(phoenix("schema", "nothing", env=home), 2, "nothing", "contract")
    refused(phoenix("demo", "--example", "nothing", env=home), 2, "nothing", "duration")


@pytest.mark.services
def test_a_home_that_cannot_be_written_is_refused(home: dict[str, str], brief: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {**home, "PHOENIX_HOME": str(tmp_path / "file/home")}
    done = phoenix("build", brief, *REHEARSAL, env=env)
    assert done.code in (2, 7)
    assert "PHOENIX_HOME" in done.line or str(tmp_path) in done.line
