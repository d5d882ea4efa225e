"""The blueprint: what the specification's analysis finds, before money is spent on building."""

from typing import Literal

from schemas.base import Text, Value
from schemas.contract import Command, ModuleName
from schemas.srs import RequirementId


class Issue(Value):
    """Something in the specification that would make the building fail or guess."""

    kind: Literal["contradiction", "gap", "untestable"]
    requirements: tuple[RequirementId, ...]
    problem: Text
    proposal: Text
    """How the specification could say it instead."""


class ModulePlan(Value):
    """A module to be made, and what it alone is responsible for."""

    module: ModuleName
    responsibility: Text
    needs: tuple[ModuleName, ...]
    """The modules that it calls or takes types from."""


class ArchitecturalDecision(Value):
    """A choice that later work rests on (after Nygard, 2011)."""

    title: Text
    choice: Text
    why: Text


class Blueprint(Value):
    """Package, modules, decisions and quality targets; or the issues that stand in the way."""

    package: ModuleName
    command: Command | None
    """The name of the command line program, or null when there is none."""
    modules: tuple[ModulePlan, ...]
    dependencies: tuple[Text, ...]
    """Third-party distributions; each must be on the allowlist."""
    decisions: tuple[ArchitecturalDecision, ...]
    quality: tuple[Text, ...]
    """Quality targets beside the specification's own."""
    testing: tuple[Text, ...]
    """Notes for the test engineer: seams, fixtures, what is hard to test and how to go about it."""
    issues: tuple[Issue, ...]
