"""Rules for a Dockerfile, checked without an engine."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_KNOWN = frozenset(
    (
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"),
        *("SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)
_SECRET = re.compile(r"(?i)\b\w*(password|secret|token|api_?key)\w*\s*=")
_PIPED = re.compile(r"\b(curl|wget)\b.*\|\s*(ba|da)?sh\b")


class Instruction(NamedTuple):
    """One instruction and the line on which it begins."""

    line: int
    name: str
    words: str


def parse_dockerfile(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile, with their continued lines joined."""
    found: list[Instruction] = []
    open_line, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        open_line = open_line or number
        parts.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            found.append(_instruction(open_line, " ".join(parts)))
            open_line, parts = 0, []
    return (*found, *([_instruction(open_line, " ".join(parts))] if parts else []))


def _instruction(line: int, text: str) -> Instruction:
    name, _, words = text.partition(" ")
    return Instruction(line, name.upper(), words.strip())


def base_image(text: str) -> str | None:
    """The image of the last stage, with the defaults of its arguments; None when there is no stage."""
    instructions = parse_dockerfile(text)
    froms = [i for i in instructions if i.name == "FROM"]
    return _resolved(froms[-1], instructions) if froms else None


def dockerfile_problems(text: str, paths: Iterable[str]) -> list[str]:
    """What is wrong with a Dockerfile whose build sees the files at these paths."""
    instructions, known = parse_dockerfile(text), tuple(paths)
    if not any(i.name == "FROM" for i in instructions):
        return ["there is no FROM"]
    problems = [p for i in instructions for p in _problems(i, instructions, known)]
    return problems + _last_stage(instructions)


def _problems(
    one: Instruction, instructions: tuple[Instruction, ...], paths: tuple[str, ...]
) -> Iterator[str]:
    where = f"line {one.line}: "
    if one.name not in _KNOWN:
        yield f"{where}{one.name[:40]!r} is no instruction"
    if one.name == "FROM":
        yield from (where + problem for problem in _base(one, instructions))
    if one.name == "ADD":
        yield f"{where}use COPY, which fetches and unpacks nothing"
    if one.name == "COPY":
        yield from (f"{where}{s!r} is not in the tree" for s in _missing(one, paths))
    if one.name in ("CMD", "ENTRYPOINT") and not _is_exec(one.words):
        yield f"{where}{one.name} must be a JSON list of words, so that signals reach the program"
    if one.name in ("ENV", "ARG") and _SECRET.search(one.words):
        yield f"{where}{one.name} would store a secret in the image"
    if one.name == "RUN" and (_PIPED.search(one.words) or re.search(r"\bsudo\b", one.words)):
        yield f"{where}no sudo, and no download that is piped into a shell"


def _base(one: Instruction, instructions: tuple[Instruction, ...]) -> Iterator[str]:
    image = _resolved(one, instructions)
    stages = {i.words.split()[-1] for i in instructions if i.name == "FROM" and " AS " in i.words.upper()}
    if image in stages or image == "scratch" or "@sha256:" in image:
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag or tag == "latest" or "$" in tag:
        yield f"the base image {image!r} needs a tag other than latest"


def _resolved(one: Instruction, instructions: tuple[Instruction, ...]) -> str:
    image = next(w for w in (*one.words.split(), "") if not w.startswith("--"))
    for argument in (i for i in instructions if i.name == "ARG" and i.line < one.line):
        name, _, value = argument.words.partition("=")
        image = image.replace(f"${{{name}}}", value.strip('"'))
        image = value.strip('"') if image == f"${name}" else image
    return image


def _missing(one: Instruction, paths: tuple[str, ...]) -> list[str]:
    words = one.words.split()
    if any(w.startswith("--from=") for w in words):
        return []
    sources = [w.removeprefix("./").rstrip("/") for w in words if not w.startswith("--")][:-1]
    return [s for s in sources if s != "." and not any(p == s or p.startswith(f"{s}/") for p in paths)]


def _is_exec(words: str) -> bool:
    try:
        found = json.loads(words)
    except ValueError:
        return False
    return isinstance(found, list) and bool(found) and all(isinstance(word, str) for word in found)


def _last_stage(instructions: tuple[Instruction, ...]) -> list[str]:
    begin = max(n for n, i in enumerate(instructions) if i.name == "FROM")
    stage = instructions[begin:]
    users = [i.words.split(":")[0] for i in stage if i.name == "USER"]
    problems = (
        [] if users and users[-1] not in ("root", "0") else ["the image must end with a USER other than root"]
    )
    starts = any(i.name in ("CMD", "ENTRYPOINT") for i in stage)
    return problems + ([] if starts else ["the image starts nothing: it needs CMD or ENTRYPOINT"])
