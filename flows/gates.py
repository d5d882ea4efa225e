"""The gates: decisions bound to the digest of their subject, by a human or a policy that stands for one."""

import getpass

from flows.finish import Finished
from flows.order import Ending
from flows.shown import plan_text, release_text, requirements_text
from flows.trailers import GATE, POLICY, human_subject
from schemas.errors import WaitingForApproval
from schemas.failure import Feedback
from schemas.full import Planned
from schemas.policy import GateRule
from schemas.specification import Specification
from schemas.stateflow import State
from services import terminal
from services.database import approvals, store
from services.database.approvals import Asked
from tasks.telling import ACTOR, Telling

Refusal = Ending | Feedback
"""A rejection ends the run; a wanted revision is feedback."""


async def requirements_gate(telling: Telling, specification: Specification) -> Refusal | None:
    """None when the specification is approved."""
    subject, shown = specification.digest(), requirements_text(specification)
    return await _gate(telling, "requirements", telling.context.policy.requirements_gate, subject, shown)


async def plan_gate(telling: Telling, specification: Specification, planned: Planned) -> Refusal | None:
    """None when the plan is approved."""
    shown = await plan_text(telling, specification, planned)
    return await _gate(telling, "plan", telling.context.policy.plan_gate, planned.wbs.digest(), shown)


async def release_gate(telling: Telling, finished: Finished) -> Refusal | None:
    """None when the complete tree is approved."""
    shown, subject = await release_text(telling, finished), finished.tree.digest_of_tree
    return await _gate(telling, GATE, telling.context.policy.release_gate, subject, shown)


async def _gate(telling: Telling, gate: str, rule: GateRule, subject: str, shown: str) -> Refusal | None:
    context = telling.context
    asked = await _decided(telling, gate, rule, subject, shown)
    if asked.decision == "approve":
        return None
    if asked.decision == "revise":
        telling.outcome = "revise"
        return Feedback(source=f"the reviewer of {gate} {subject[:12]}", cause=None, text=asked.comment or "")
    await telling.move(State.REJECTED, "reject")
    return Ending(run=context.run, state=State.REJECTED, message=asked.comment or "No reason was given.")


async def _decided(telling: Telling, gate: str, rule: GateRule, subject: str, shown: str) -> Asked:
    context = telling.context
    async with context.database.transaction() as conn:
        known = await approvals.decision_for(conn, context.project, gate, subject)
        if rule == "ask" and known is not None and known.who == POLICY:
            # Only the policy approved it, and now a human is wanted.
            subject = human_subject(subject)
        [shown_digest] = await store.put_artifacts(conn, [("shown", shown.encode())])
        approval = await approvals.ask(
            conn,
            project=context.project,
            run=context.run,
            execution=context.execution,
            gate=gate,
            subject_digest=subject,
            shown_digest=shown_digest,
            actor=ACTOR,
        )
        asked = await approvals.get_approval(conn, approval)
    if asked.decision is None:
        await _ask(telling, gate, rule, approval, shown)
    async with context.database.transaction() as conn:
        return await approvals.get_approval(conn, approval)


async def _ask(telling: Telling, gate: str, rule: GateRule, approval: str, shown: str) -> None:
    context = telling.context
    if rule == "auto":
        answer, who = terminal.Answer("approve", ""), POLICY
    else:
        given = await terminal.ask(shown)
        if given is None:
            raise WaitingForApproval(
                f"run {context.run} waits for the {gate} gate, and nobody is at this terminal. What it asks: "
                f"phoenix approvals {approval}. Decide: phoenix approve {approval} (or revise, or reject), "
                "then type the same command again."
            )
        answer, who = given, getpass.getuser()
    async with context.database.transaction() as conn:
        await approvals.decide(conn, approval, answer.decision, who, answer.comment)
