"""Schemas as agents read them: less to read than JSON, and nothing said twice."""

from schemas.base import SourceFile
from schemas.contract import Contract
from schemas.render import render_stub, render_types
from schemas.specification import Specification
from schemas.srs import SRS


def srs_text(srs: SRS) -> str:
    """A specification in Markdown."""
    parts = [f"# {srs.title}", srs.purpose]
    parts += [
        "\n".join([f"{r.id}: {r.text}", *(f"- {c.id}: {c.text}" for c in r.criteria)])
        for r in srs.requirements
    ]
    if isinstance(srs, Specification):
        measured = [f"- {r.id}: {r.metric}: {r.target}" for r in srs.requirements if r.metric]
        words = [f"- {t.term}: {t.meaning}" for t in srs.glossary]
        asked = [f"- {q.question} Assumed: {q.assumed}" for q in srs.questions]
        tables = (("Measures", measured), ("Glossary", words), ("Open questions", asked))
        parts += ["\n".join([f"{title}:", *lines]) for title, lines in tables if lines]
        premises = [f"{identity}: {text}" for identity, text in srs.premises().items()]
        lists = {"Constraints (C) and assumptions (A)": premises}
    else:
        lists = {"Constraints": list(srs.constraints), "Assumptions": list(srs.assumptions)}
    lists["Out of scope"] = list(srs.out_of_scope)
    parts += [
        "\n".join([f"{title}:", *(f"- {line}" for line in lines)]) for title, lines in lists.items() if lines
    ]
    return "\n\n".join(parts)


def interface_text(contract: Contract) -> str:
    """A contract as Python: the rendered types, and the stub."""
    stub = SourceFile(path=contract.module_path(), text=render_stub(contract))
    if not contract.type_names():
        return sources_text((stub,))
    return sources_text((SourceFile(path=contract.types_path(), text=render_types(contract)), stub))


def face_text(contract: Contract) -> str:
    """A contract as its users read it: a module without bodies is its types, under its own name."""
    if contract.body_names():
        return interface_text(contract)
    return sources_text((SourceFile(path=contract.module_path(), text=render_types(contract)),))


def sources_text(files: tuple[SourceFile, ...]) -> str:
    """Files as agents read them, each under its path."""
    return "\n\n".join(f"# {file.path}\n{file.text.rstrip()}" for file in files)
