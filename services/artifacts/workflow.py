"""Checks workflows against the schemas that check-jsonschema brings along; nothing is fetched."""

from typing import Any

from schemas.verdict import Verdict
from services.artifacts.verdicts import verdict_of


def check_workflow(text: str, subject: str = "workflow") -> Verdict:
    """Whether a text is a workflow of GitHub Actions."""
    problems, loaded = _problems(text, "vendor.github-workflows")
    jobs = len(loaded["jobs"]) if not problems else 0
    return verdict_of(subject, problems, f"valid GitHub workflow, {jobs} job(s)")


def check_gitlab_pipeline(text: str, subject: str = "pipeline") -> Verdict:
    """Whether a text is a pipeline of GitLab CI."""
    problems, _ = _problems(text, "vendor.gitlab-ci")
    return verdict_of(subject, problems, "valid GitLab pipeline")


def _problems(text: str, schema_name: str) -> tuple[list[str], Any]:
    from check_jsonschema.builtin_schemas import get_builtin_schema
    from check_jsonschema.parsers.yaml import ParseError, construct_yaml_implementation
    from jsonschema.validators import validator_for

    yaml = construct_yaml_implementation(pure=True)
    yaml.constructor.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))
    try:
        loaded = yaml.load(text)
    except ParseError as error:
        return [f"the file does not parse: {' '.join(str(error).split())[:300]}"], None
    schema = get_builtin_schema(schema_name)
    found = validator_for(schema)(schema).iter_errors(loaded)
    return sorted(f"{error.json_path}: {error.message[:300]}" for error in found), loaded
