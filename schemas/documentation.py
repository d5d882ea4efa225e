"""The documentation of a release: an overview, a page for each module, and the requirements."""

import json
from collections.abc import Iterable
from html import escape
from typing import Literal

from schemas.base import SourceFile
from schemas.contract import ClassType, Contract, DataType, EnumType, Function
from schemas.document import Block, Definition, Heading, Items, Page, Paragraph, one_line, parse_text
from schemas.markdown import markdown_line, markdown_page
from schemas.render import first_parameter
from schemas.restructured import rst_page, rst_title, toctree
from schemas.specification import SourcedRequirement, Specification
from schemas.srs import SRS, Requirement
from schemas.stages import Assembly

DocsTool = Literal["mkdocs", "sphinx"]

_CONF = """project = {escaped}
version = release = {version}
html_title = {title}
extensions = []
html_theme = "alabaster"
html_show_copyright = False
smartquotes = False
suppress_warnings = ["misc.highlighting_failure"]
"""


def render_docs(assembly: Assembly, brief_title: str, version: str, tool: DocsTool) -> tuple[SourceFile, ...]:
    """The sources of the documentation, which the tool builds without a warning."""
    modules = tuple(module_page(c) for c in sorted(assembly.contracts, key=lambda c: (c.package, c.module)))
    index, requirements = index_page(assembly, brief_title), requirements_page(assembly.srs)
    if tool == "mkdocs":
        return _mkdocs(brief_title, version, index, modules, requirements)
    return _sphinx(brief_title, version, index, modules, requirements)


def _mkdocs(
    title: str, version: str, index: Page, modules: tuple[Page, ...], requirements: Page
) -> tuple[SourceFile, ...]:
    api = [{page.module: f"{page.name}.md"} for page in modules]
    nav = [{"Overview": "index.md"}, {"API": api}, {"Requirements": "requirements.md"}]
    config = {
        "site_name": escape(f"{one_line(title)} {version}"),
        "theme": {"name": "mkdocs", "highlightjs": False},
        "nav": nav,
    }
    settings = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in config.items())
    links = "\n".join(f"- [{markdown_line(p.module)}]({p.name}.md)" for p in modules)
    texts = {p.name: markdown_page(p) for p in (*modules, requirements)}
    texts["index"] = f"{markdown_page(index)}\n## Reference\n\n{links}\n- [Requirements](requirements.md)\n"
    pages = (SourceFile(path=f"docs/{name}.md", text=text) for name, text in sorted(texts.items()))
    return (SourceFile(path="mkdocs.yml", text=settings), *pages)


def _sphinx(
    title: str, version: str, index: Page, modules: tuple[Page, ...], requirements: Page
) -> tuple[SourceFile, ...]:
    name = one_line(title)
    config = _CONF.format(
        escaped=ascii(escape(name)), version=ascii(version), title=ascii(f"{name} {version}")
    )
    texts = {p.name: rst_page(p) for p in (*modules, requirements)}
    contents = toctree((*(p.name for p in modules), "requirements"))
    texts["index"] = f"{rst_page(index)}\n{rst_title('Reference', 2)}\n\n{contents}\n"
    pages = (SourceFile(path=f"docs/{name}.rst", text=text) for name, text in sorted(texts.items()))
    return (SourceFile(path="docs/conf.py", text=config), *pages)


def index_page(assembly: Assembly, title: str) -> Page:
    """The overview: the README below the project's own title, or the purpose when it says nothing."""
    blocks = parse_text(assembly.readme.text, headings=True)
    if blocks and isinstance(blocks[0], Heading):
        blocks = blocks[1:]
    return Page("index", title, blocks or parse_text(assembly.srs.purpose))


def requirements_page(srs: SRS) -> Page:
    """What the software must do, and how that can be shown."""
    blocks: list[Block] = [*parse_text(srs.purpose)]
    for requirement in srs.requirements:
        blocks += [Heading(2, requirement.id), *parse_text(requirement.text), *_measure(requirement)]
        blocks.append(Items(tuple(f"{c.id}: {c.text}" for c in requirement.criteria)))
    lists = [
        ("Constraints", srs.constraints),
        ("Assumptions", srs.assumptions),
        ("Out of scope", srs.out_of_scope),
    ]
    if isinstance(srs, Specification):
        lists.append(("Glossary", tuple(f"{t.term}: {t.meaning}" for t in srs.glossary)))
        lists.append(("Open questions", tuple(f"{q.question} Assumed: {q.assumed}" for q in srs.questions)))
    for title, entries in lists:
        blocks += [Heading(2, title), Items(entries)] if entries else []
    return Page("requirements", "Requirements", tuple(blocks))


def _measure(requirement: Requirement) -> list[Block]:
    if isinstance(requirement, SourcedRequirement) and requirement.metric:
        return [Items((f"Metric: {requirement.metric}", f"Target: {requirement.target}"))]
    return []


def module_page(contract: Contract) -> Page:
    """A module's public names, as its contract declares them."""
    name = f"{contract.package}.{contract.module}"
    blocks = [*parse_text(contract.doc)]
    if contract.command:
        blocks.append(Paragraph(f"The command `{contract.command}` runs `{name}.main`."))
    for title, found in _groups(contract):
        blocks += [Heading(2, title), *found] if found else []
    return Page(f"api/{name}", name, tuple(blocks), module=name)


def _groups(contract: Contract) -> Iterable[tuple[str, list[Block]]]:
    yield "Functions", [_function(f, "function", f"def {f.name}{f.signature}") for f in contract.functions]
    yield "Classes", [_class(c) for c in contract.classes]
    yield "Data classes", [_dataclass(d) for d in contract.dataclasses]
    yield "Enumerations", [_enum(e) for e in contract.enums]
    yield (
        "Exceptions",
        [
            Definition("exception", e.name, f"class {e.name}({e.base})", parse_text(e.doc))
            for e in contract.exceptions
        ],
    )
    yield (
        "Constants",
        [
            Definition("data", c.name, f"{c.name}: {c.annotation} = {c.value}", parse_text(c.doc))
            for c in contract.constants
        ],
    )


def _function(function: Function, kind: str, code: str) -> Definition:
    body: tuple[Block, ...] = parse_text(function.doc)
    if function.raises:
        entries = tuple(f"`{r.error}`: {r.when}" for r in function.raises)
        body = (*body, Paragraph("Raises:"), Items(entries))
    return Definition(kind, function.name, code, body)


def _class(entry: ClassType) -> Definition:
    methods = (_function(m, "method", _method(m)) for m in entry.methods)
    return Definition("class", entry.name, f"class {entry.name}", (*parse_text(entry.doc), *methods))


def _method(method: Function) -> str:
    first = first_parameter(method)
    decorator = {"self": "", "cls": "@classmethod\n"}.get(first, "@staticmethod\n")
    return f"{decorator}def {method.name}{method.signature}"


def _dataclass(entry: DataType) -> Definition:
    fields = (
        f"{f.name}: {f.annotation}{'' if f.default is None else f' = {f.default}'}" for f in entry.fields
    )
    code = "\n".join([f"@dataclass(frozen={entry.frozen})", f"class {entry.name}:", *_inside(fields)])
    docs = tuple(f"`{f.name}`: {f.doc}" for f in entry.fields)
    return Definition("class", entry.name, code, (*parse_text(entry.doc), *([Items(docs)] if docs else [])))


def _enum(entry: EnumType) -> Definition:
    members = _inside(f"{m.name} = {m.value}" for m in entry.members)
    code = "\n".join([f"class {entry.name}(Enum):", *members])
    return Definition("class", entry.name, code, parse_text(entry.doc))


def _inside(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines] or ["    ..."]
