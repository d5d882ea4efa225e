"""How a README is written: by the documentation agent, until every one of its examples holds."""

import re

from agents.ask import Question
from agents.lite import DOCUMENTATION
from schemas.base import SourceFile
from schemas.failure import Cause
from schemas.srs import SRS
from schemas.verdict import Status, Verdict
from services.judge import as_bytes
from services.sandbox import Job, Outcome
from tasks.context import Work
from tasks.stage import failed

README_ROUNDS = 3
MAX_README_LINES = 120


async def write_readme(
    work: Work, srs: SRS, code: str, tree: tuple[SourceFile, ...], feedback: str
) -> tuple[SourceFile, Verdict]:
    """The README, and the verdict of its examples on the tree; `code` is what the agent reads of it.

    Raises:
        StageFailed: no README whose examples hold came in the rounds that are allowed.
    """
    inputs = {"srs": srs.model_dump_json(), "code": code}
    failures = feedback
    for _ in range(README_ROUNDS):
        question = Question(DOCUMENTATION, "run", {**inputs, "failures": failures}, work.sample)
        files = await work.desk.ask_files(question)
        problems = readme_problems(files)
        if not problems:
            verdict = await run_examples(work, tree, files[0])
            if verdict.status is Status.PASSED:
                return files[0], verdict
            problems = [verdict.reason]
        failures = "\n".join([*problems, "", "Your last answer:", *(f.text for f in files)])
    raise failed(work, Cause.BAD_DOCUMENT, f"no README whose examples hold: {problems[0]}", problems)


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


async def run_examples(work: Work, tree: tuple[SourceFile, ...], readme: SourceFile) -> Verdict:
    """The verdict of a README's doctest examples, run in the sandbox."""
    text = re.sub(r"^```.*$", "", readme.text, flags=re.MULTILINE)
    code = as_bytes(tree)
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
