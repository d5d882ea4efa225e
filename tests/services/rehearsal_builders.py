"""What a rehearsal is asked, and what it answers."""

from schemas.answers import DecompositionAnswer
from schemas.base import SourceFile, canonical_json
from schemas.blueprint import Blueprint
from schemas.calls import Message, Request
from schemas.contract import Contract
from schemas.fileblocks import parse_file_blocks
from schemas.policy import Tier
from schemas.prose import interface_text
from schemas.render import render_stub
from schemas.specification import Specification
from schemas.wbs import WBS, WorkItem, item_spec
from services.models.names import parse_rehearsal
from services.models.rehearsal import play

STATEMENTS = "# Small Sums\n\n" + "\n".join(f"S{n}: Add number {n}." for n in range(1, 8))
SEVEN = tuple(f"Add number {n}." for n in range(1, 8))
EIGHT = "seed=3,items=8,layers=3"


def asked(agent: str, values: dict[str, str], subject: str = "run") -> Request:
    return Request(
        agent=agent,
        subject=subject,
        tier=Tier.FAST,
        model="rehearsal:",
        messages=(Message(role="user", content="x" * 400),),
        response_schema=None,
        max_output_tokens=100,
        sample=0,
        inputs="0" * 64,
        values=values,
    )


def answered(options: str, agent: str, values: dict[str, str], attempt: int = 1, subject: str = "run") -> str:
    return play(parse_rehearsal(options), asked(agent, values, subject), attempt).text


def specify(options: str = EIGHT, feedback: str = "", statements: str = STATEMENTS) -> Specification:
    values = {"statements": statements, "feedback": feedback}
    return Specification.model_validate_json(answered(options, "requirements_analyst", values))


def architect(options: str, specification: Specification, attempt: int = 1) -> Blueprint:
    values = {"specification": specification.model_dump_json(), "allowlist": "", "feedback": ""}
    return Blueprint.model_validate_json(answered(options, "architect", values, attempt))


def plan(options: str, specification: Specification, attempt: int = 1) -> WBS:
    blueprint = architect(options, specification)
    values = {
        "specification": specification.model_dump_json(),
        "blueprint": blueprint.model_dump_json(),
        "feedback": "",
    }
    answer = DecompositionAnswer.model_validate_json(answered(options, "decomposition", values, attempt))
    assert {m.module for m in blueprint.modules} == {i.contract.module for i in answer.items}
    assert answer.gaps == ()
    return WBS(epics=answer.epics, items=answer.items)


def listed(contracts: tuple[Contract, ...]) -> str:
    return canonical_json(contracts).decode()


def suite_values(specification: Specification, wbs: WBS, item: WorkItem) -> dict[str, str]:
    spec = item_spec(wbs, specification, item.id)
    assert spec.srs is not None
    return {
        "srs": spec.srs.model_dump_json(),
        "contract": spec.contract.model_dump_json(),
        "needs": listed(spec.needs),
        "feedback": "",
    }


def suites(options: str = EIGHT) -> list[SourceFile]:
    specification = specify(options)
    wbs = plan(options, specification)
    texts = [
        answered(options, "test_engineer", suite_values(specification, wbs, item), subject=item.id)
        for item in wbs.items
    ]
    return [file for text in texts for file in parse_file_blocks(text)]


def code_values(item: WorkItem, previous: str = "") -> dict[str, str]:
    return {
        "contract": item.contract.model_dump_json(),
        "tests": "",
        "previous": previous,
        "failures": "",
    }


def modules(options: str = EIGHT) -> list[SourceFile]:
    wbs = plan(options, specify(options))
    texts = [
        answered(options, "implementation", code_values(item), subject=item.id).strip() for item in wbs.items
    ]
    return [file for text in texts for file in parse_file_blocks(text)]


def integrations(options: str = EIGHT) -> list[SourceFile]:
    specification = specify(options)
    wbs = plan(options, specification)
    return [
        file
        for sink in wbs.sinks()
        for file in parse_file_blocks(
            answered(options, "integration_engineer", integration_values(specification, wbs, sink), 1, sink)
        )
    ]


def integration_values(specification: Specification, wbs: WBS, sink: str) -> dict[str, str]:
    cone = [wbs.item(i) for i in (*wbs.below(sink), sink)]
    names = {item.id: item.contract.module for item in cone}
    edges = [f"{names[a]} uses {names[b]}" for a, b in wbs.edges() if a in names]
    return {
        "srs": specification.model_dump_json(),
        "contracts": listed(tuple(item.contract for item in cone)),
        "edges": "\n".join(edges),
        "feedback": "",
    }


def readme(options: str = EIGHT) -> SourceFile:
    specification = specify(options)
    code = "\n\n".join(map(interface_text, plan(options, specification).contracts()))
    values = {"srs": specification.model_dump_json(), "code": code, "failures": ""}
    (file,) = parse_file_blocks(answered(options, "documentation", values))
    return file


def stubs(options: str = EIGHT) -> list[SourceFile]:
    contracts = plan(options, specify(options)).contracts()
    return [SourceFile(path=c.module_path(), text=render_stub(c)) for c in contracts]
