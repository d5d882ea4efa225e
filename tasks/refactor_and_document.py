"""REFACTOR_AND_DOCUMENT: the same behaviour in better code, and a README whose examples were run."""

import json
import re

from agents.ask import Question
from agents.lite import DOCUMENTATION, REFACTORING
from schemas.base import SourceFile
from schemas.conformance import complexity, parse_source
from schemas.errors import UnusableAnswer
from schemas.failure import Cause, Notes, notes_text
from schemas.lite import Green, Plan, Polished
from schemas.prose import sources_text
from schemas.render import rendered_files
from schemas.stages import Measures
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Verdict
from services.judge import as_bytes
from services.sandbox import Job, Limits, Outcome
from tasks.context import Work
from tasks.implement_and_fix import judge_candidate, static_problems
from tasks.stage import failed, stage

README_ROUNDS = 3
MAX_README_LINES = 120
MAX_LINT_BYTES = 32_000_000


@stage(State.REFACTOR_AND_DOCUMENT, agents=(REFACTORING, DOCUMENTATION), tools=True)
async def refactor_and_document(work: Work, *, plan: Plan, green: Green, feedback: Notes) -> Polished:
    """Refactor where it helps, then write the README."""
    before = await measure(work, green.candidate)
    candidate, verdict, story = await _refactor(work, plan, green, before)
    after = before if candidate == green.candidate else await measure(work, candidate)
    readme, examples = await _document(work, plan, candidate, notes_text(feedback))
    return Polished(
        candidate=candidate,
        readme=readme,
        refactoring=story,
        before=before,
        after=after,
        verdict=verdict,
        examples=examples,
    )


async def _refactor(work: Work, plan: Plan, green: Green, before: Measures) -> tuple[Candidate, Verdict, str]:
    inputs = {
        "code": sources_text(green.candidate.files),
        "measures": f"lines {before.lines}, complexity {before.complexity}, lint {before.lint}",
    }
    kept = green.candidate, green.verdict
    try:
        files = await work.desk.ask_files(Question(REFACTORING, "run", inputs, work.sample))
    except UnusableAnswer as error:
        return *kept, f"kept as it was: {error}"
    if not files or files == green.candidate.files:
        return *kept, "kept as it was: nothing to improve"
    problems = static_problems(files, plan.contract, work.context.policy.allowlist)
    if problems:
        return *kept, f"refused: {problems[0]}"
    candidate = Candidate(files=files)
    verdict = await judge_candidate(work, plan, candidate)
    if verdict.status is not Status.PASSED:
        return *kept, f"refused: {verdict.reason}"
    if (await measure(work, candidate)).worse_than(before):
        return *kept, "refused: a measure got worse"
    return candidate, verdict, "taken: tests green, no measure worse"


async def measure(work: Work, candidate: Candidate) -> Measures:
    """The measures of a candidate; the linter runs in the sandbox."""
    outcome = await work.judge.sandbox.run(
        Job(
            argv=(
                "/venv/bin/ruff",
                "check",
                "--isolated",
                "--no-cache",
                "--output-format=json",
                "--exit-zero",
                "--ignore-noqa",
                ".",
            ),
            code=as_bytes(candidate.files),
            environment=work.judge.environment,
            limits=Limits(output_bytes=MAX_LINT_BYTES),
        )
    )
    trees = [tree for tree, _ in map(parse_source, candidate.files) if tree]
    return Measures(
        lines=sum(f.text.count("\n") for f in candidate.files),
        complexity=max(map(complexity, trees), default=0),
        lint=len(json.loads(outcome.stdout)),
    )


async def _document(
    work: Work, plan: Plan, candidate: Candidate, feedback: str
) -> tuple[SourceFile, Verdict]:
    inputs = {
        "srs": plan.srs.model_dump_json(),
        "code": sources_text((*_types(plan), *candidate.files)),
    }
    failures = feedback
    for _ in range(README_ROUNDS):
        question = Question(DOCUMENTATION, "run", {**inputs, "failures": failures}, work.sample)
        files = await work.desk.ask_files(question)
        problems = readme_problems(files)
        if not problems:
            verdict = await run_examples(work, plan, candidate, files[0])
            if verdict.status is Status.PASSED:
                return files[0], verdict
            problems = [verdict.reason]
        failures = "\n".join([*problems, "", "Your last answer:", *(f.text for f in files)])
    raise failed(work, Cause.BAD_DOCUMENT, f"no README whose examples hold: {problems[0]}", problems)


def _types(plan: Plan) -> tuple[SourceFile, ...]:
    return tuple(f for f in rendered_files(plan.contract) if f.path == plan.contract.types_path())


def readme_problems(files: tuple[SourceFile, ...]) -> list[str]:
    """What is wrong with a README before its examples run."""
    if [f.path for f in files] != ["README.md"]:
        return ["return exactly one file, README.md"]
    text = files[0].text
    problems = [] if re.search(r"^# \S", text, re.MULTILINE) else ["the README needs a heading"]
    if text.count("\n") > MAX_README_LINES:
        problems.append(f"the README has over {MAX_README_LINES} lines")
    if ">>> " not in text:
        problems.append("the README needs at least one example in doctest form")
    if re.search(r"#\s*doctest:", text):
        problems.append("the README must not hold doctest directives: every example is run as it stands")
    return problems


_EXAMPLES = """
import doctest, sys
sys.path.insert(0, "/code/src")
out = []
parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
text = open("/code/examples.txt", encoding="utf-8").read()
runner.run(parser.get_doctest(text, {"__name__": "__main__"}, "README.md", "README.md", 0), out=out.append)
runner.summarize(False)
report = f"{runner.tries} {runner.failures}\\n" + "".join(out)[:4000]
open("/out/examples.txt", "w", encoding="utf-8").write(report)
"""


async def run_examples(work: Work, plan: Plan, candidate: Candidate, readme: SourceFile) -> Verdict:
    """The verdict of a README's doctest examples, run in the sandbox."""
    text = re.sub(r"^```.*$", "", readme.text, flags=re.MULTILINE)
    code = as_bytes((*rendered_files(plan.contract), *candidate.files))
    outcome = await work.judge.sandbox.run(
        Job(
            argv=("/venv/bin/python", "-P", "-s", "-c", _EXAMPLES),
            code={**code, "examples.txt": text.encode()},
            environment=work.judge.environment,
            collect=("examples.txt",),
            limits=work.judge.limits,
        )
    )
    head, _, report = outcome.collected.get("examples.txt", b"").decode(errors="replace").partition("\n")
    figures = head.split()
    whole = outcome.exit_code == 0 and len(figures) == 2 and all(f.isdigit() for f in figures)
    tried, bad = map(int, figures) if whole else (0, 0)
    good = whole and tried > 0 and bad == 0
    reason = f"{tried} examples, {bad} failed" if whole else f"the examples ended early ({_ending(outcome)})"
    return Verdict(
        subject="README examples",
        status=Status.PASSED if good else Status.FAILED,
        reason=reason if good else f"{reason}\n{report}".strip(),
        confinement=outcome.confinement,
    )


def _ending(outcome: Outcome) -> str:
    said = outcome.stderr.decode(errors="replace").strip().splitlines()
    return ", ".join(outcome.limits_hit) or (said[-1][:300] if said else f"exit code {outcome.exit_code}")
