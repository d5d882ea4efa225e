"""Opens the models that need no provider."""

from collections import Counter

from schemas.calls import RecordedAnswer, Reply, Request
from schemas.errors import InputError
from services.models import names, rehearsal
from services.models.names import ModelName
from services.models.played_chat import PlayedChat
from services.models.recording import read_recording


def rehearsal_chat(name: ModelName) -> PlayedChat:
    """The model that plays every agent of a synthetic project."""
    options = names.parse_rehearsal(name.rest)
    return PlayedChat(
        play=lambda request, attempt: rehearsal.play(options, request, attempt),
        latency=float(options.latency),
    )


def recorded_chat(name: ModelName, run: str, drift: Counter[str]) -> PlayedChat:
    """The model that answers a run from a recording."""
    path = names.recording_path(name)
    entries = {(e.agent, e.subject, e.attempt): e for e in read_recording(path).entries}

    def play(request: Request, attempt: int) -> Reply:
        entry = entries.get((request.agent, request.subject, attempt))
        if attempt == 1:
            _demand_same_inputs(str(path), request, entry)
        if entry is None:
            raise InputError(
                f"the recording {path} has no answer of {request.agent} for {request.subject} at attempt "
                f"{attempt}; make a new one with --record FILE."
            )
        if entry.inputs != request.inputs:
            drift[run] += 1
        return Reply(text=entry.answer, finish=entry.finish, usage=entry.usage)

    return PlayedChat(play=play)


def _demand_same_inputs(path: str, request: Request, entry: RecordedAnswer | None) -> None:
    if entry is None or entry.inputs != request.inputs:
        problem = "has no first answer" if entry is None else "was given other inputs"
        raise InputError(
            f"the recording {path} was made for another brief: {request.agent} {problem} for "
            f"{request.subject}. Choose a model with a key, or make a new recording with --record FILE."
        )
