"""The release gate: a decision bound to the digest of the complete tree, then the release itself."""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.items import record_item
from flows.order import Ending
from flows.trailers import GATE, POLICY, human_subject, trailers_of
from schemas.base import canonical_json
from schemas.errors import WaitingForApproval
from schemas.failure import Feedback
from schemas.policy import money
from schemas.project import MANIFEST_PATH
from schemas.stateflow import State
from schemas.verdict import Status
from services import repository, terminal
from services.database import approvals, releases, store, usage
from services.database.approvals import Asked
from tasks.stage import ACTOR, Telling

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from flows.lite import Finished


@dataclass(frozen=True)
class Revision:
    """A human wants a change."""

    feedback: Feedback


async def release(telling: Telling, finished: "Finished", output: str | None) -> Ending | Revision:
    """Ask the release gate, then do what was decided."""
    context = telling.context
    asked = await _decided(telling, finished)
    if asked.decision == "revise":
        telling.outcome = "revise"
        source = f"the reviewer of tree {asked.subject[:12]}"
        return Revision(Feedback(source=source, cause=None, text=asked.comment or ""))
    if asked.decision == "reject":
        await telling.move(State.REJECTED, "reject")
        return Ending(run=context.run, state=State.REJECTED, message=asked.comment or "No reason was given.")
    folder = Path(output) if output else context.home / "releases" / context.project
    commit = await _commit(telling, finished, folder)
    news = "committed" if commit.new else "unchanged, this tree was there already"
    return Ending(
        run=context.run,
        state=State.COMPLETED,
        message=f"release {finished.version} of {context.project}: {news}",
        path=str(commit.path),
    )


async def _decided(telling: Telling, finished: "Finished") -> Asked:
    context = telling.context
    shown = await digest_text(telling, finished)
    async with context.database.transaction() as conn:
        [shown_digest] = await store.put_artifacts(conn, [("shown", shown.encode())])
        subject = await _subject(conn, telling, finished.tree.digest_of_tree)
        approval = await approvals.ask(
            conn,
            project=context.project,
            run=context.run,
            execution=context.execution,
            gate=GATE,
            subject_digest=subject,
            shown_digest=shown_digest,
            actor=ACTOR,
        )
        asked = await approvals.get_approval(conn, approval)
    if asked.decision is None:
        await _ask(telling, approval, shown)
    async with context.database.transaction() as conn:
        return await approvals.get_approval(conn, approval)


async def _subject(conn: "AsyncConnection", telling: Telling, tree: str) -> str:
    """What is decided: the tree, asked anew where only the policy approved it and a human is wanted."""
    known = await approvals.decision_for(conn, telling.context.project, GATE, tree)
    by_policy = known is not None and known.who == POLICY
    return human_subject(tree) if by_policy and telling.context.policy.release_gate == "ask" else tree


async def _ask(telling: Telling, approval: str, shown: str) -> None:
    context = telling.context
    if context.policy.release_gate == "auto":
        answer = terminal.Answer("approve", "")
        who = POLICY
    else:
        given = await terminal.ask(shown)
        if given is None:
            raise WaitingForApproval(
                f"run {context.run} waits for the release gate (approval {approval}), and nobody is at this "
                "terminal. Run the same command at a terminal to decide, or with --approve auto."
            )
        answer, who = given, getpass.getuser()
    async with context.database.transaction() as conn:
        await approvals.decide(conn, approval, answer.decision, who, answer.comment)


async def digest_text(telling: Telling, finished: "Finished") -> str:
    """What the gate shows, at most 60 lines."""
    context = telling.context
    async with context.database.transaction() as conn:
        spent = await usage.run_usage(conn, context.run)
    verdicts = (
        finished.build.verdict,
        finished.polished.examples,
        *finished.audit.verdicts,
        *finished.tree.checks,
    )
    not_run = sorted(v.subject for v in verdicts if v.status is Status.NOT_RUN)
    contract, srs = finished.plan.contract, finished.plan.srs
    lines = [
        f"# Release {finished.version} of {context.project}",
        srs.purpose,
        "",
        f"Tree {finished.tree.digest_of_tree[:12]}, {len(finished.tree.files)} files, {finished.build.wheel}",
        f"Public names: {', '.join(contract.public_names()[:20])}",
        f"{len(srs.requirements)} requirements, {len(srs.criterion_ids())} criteria, all claimed by tests",
        f"Tests: {len(finished.build.verdict.tests)} passed on the installed wheel (reported, not verified)",
        f"Refactoring: {finished.polished.refactoring}",
        f"Findings accepted: {len(finished.audit.findings)}",
        f"Not run: {', '.join(not_run) or 'nothing'}",
        f"Cost: {money(spent.cost_usd)} in {spent.calls} calls, {spent.replayed} replayed",
    ]
    for title, items in (("Assumptions", srs.assumptions), ("Out of scope", srs.out_of_scope)):
        lines += ["", f"{title}:", *(f"- {item}" for item in items[:20])] if items else []
    return "\n".join(lines[:60])


async def _commit(telling: Telling, finished: "Finished", folder: Path) -> repository.Commit:
    context, tree = telling.context, finished.tree
    manifest = next(f for f in tree.files if f.path == MANIFEST_PATH)
    async with context.database.transaction() as conn:
        latest = await releases.get_release(conn, context.project)
        trailers = await trailers_of(conn, context.project, context.run, tree.digest_of_tree)
    title = f"Release {finished.version} of {context.project}"
    commit = await repository.write_release(folder, tree.files, title, trailers)
    async with context.database.transaction() as conn:
        [manifest_digest, files_digest] = await store.put_artifacts(
            conn, [("manifest", manifest.text.encode()), ("release", canonical_json(tree.files))]
        )
        await record_item(conn, telling, finished)
        if not (latest and latest.tree == commit.tree and latest.version == finished.version):
            await releases.record_release(
                conn,
                project=context.project,
                run=context.run,
                execution=context.execution,
                version=finished.version,
                tree=commit.tree,
                commit=commit.commit,
                manifest=manifest_digest,
                files=files_digest,
                supersedes=latest.version if latest and latest.version != finished.version else None,
                actor=ACTOR,
            )
    await telling.move(State.COMPLETED, "approve")
    return commit
