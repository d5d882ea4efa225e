"""JSON Schemas that strict providers accept, and JSON lifted out of what models write around it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

_DROPPED = frozenset(
    {
        "default",
        "minLength",
        "maxLength",
        "uniqueItems",
        "title",
        "examples",
        "minProperties",
        "maxProperties",
    }
)
_REFUSED = _DROPPED - {"title"} | {
    "oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
    "prefixItems", "patternProperties", "propertyNames", "contains", "unevaluatedProperties",
}  # fmt: skip
MAX_DEPTH = 10
_MAX_STARTS = 200


def schema_for(model: type[BaseModel]) -> dict[str, Any]:
    """The wire schema of an answer: closed objects, all properties required, nothing that strict refuses."""
    schema = _wire(model.model_json_schema())
    return schema if isinstance(schema, dict) else {}


def _wire(node: Any) -> Any:
    if isinstance(node, list):
        return [_wire(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    if len(node.get("allOf", ())) == 1:
        node = {**{k: v for k, v in node.items() if k != "allOf"}, **node["allOf"][0]}
    wire: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            wire[key] = {name: _wire(inner) for name, inner in value.items()}
        elif key in ("enum", "const", "required"):
            wire[key] = value
        elif key not in _DROPPED and key != "discriminator":
            wire["anyOf" if key == "oneOf" else key] = _wire(value)
    if wire.get("type") == "object" and "properties" in wire:
        wire["required"] = list(wire["properties"])
        wire["additionalProperties"] = False
    return wire


def strict_problems(schema: dict[str, Any]) -> list[str]:
    """Where a schema would be refused by a strict provider; empty when nowhere."""
    problems = [] if schema.get("type") == "object" else ["$: the root must be an object"]
    for path, node in _nodes(schema, "$"):
        problems += [f"{path}: {problem}" for problem in _node_problems(node)]
        if path.count(".") > MAX_DEPTH:
            problems.append(f"{path}: deeper than {MAX_DEPTH}")
    return problems


def _node_problems(node: dict[str, Any]) -> list[str]:
    problems = [f"{key} is refused" for key in sorted(_REFUSED & node.keys())]
    if not node:
        problems.append("anything is allowed here; a strict schema needs a type")
    if "$ref" in node and len(node) > 1:
        problems.append("$ref must stand alone")
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            problems.append("the object must be closed (use a list of pairs for a mapping)")
        missing = sorted(set(node.get("properties", {})) - set(node.get("required", ())))
        if missing:
            problems.append(f"not required: {', '.join(missing)}")
    return problems


def _nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from _nodes(inner, f"{path}.{name}")
    for name, inner in node.get("$defs", {}).items():
        yield from _nodes(inner, f"#{name}")
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in node.get(key, ()):
            yield from _nodes(inner, path)
    if isinstance(node.get("items"), dict):
        yield from _nodes(node["items"], f"{path}[]")


def lift_json(text: str) -> str:
    """The JSON in an answer, without fences and prose; the stripped text when there is none."""
    text = text.strip().removeprefix("\ufeff").strip()
    if _is_json(text):
        return text
    for block in re.findall(r"```[a-zA-Z]*[ \t]*\n(.*?)\n?```", text, re.DOTALL):
        if block.strip()[:1] in ("{", "[") and _is_json(block):
            return str(block.strip())
    return max(_embedded(text), key=len, default=text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _embedded(text: str) -> Iterator[str]:
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_MAX_STARTS):
        match = re.compile(r"[{\[]").search(text, position)
        if not match:
            return
        try:
            _, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.start() + 1
        else:
            yield text[match.start() : end]
            position = end
