"""A local OpenAI-compatible server that plays a script of good and faulty answers, one per request."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Play = Callable[["Handler", dict[str, Any]], None]


def completion(
    content: str | None = "fine",
    finish: str = "stop",
    *,
    usage: dict[str, Any] | None = None,
    message: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The body of a chat completion."""
    body: dict[str, Any] = {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "played",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **(message or {})},
            }
        ],
        "usage": usage or {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
    }
    return {**body, **changes}


def answer(content: str | None = "fine", finish: str = "stop", **more: Any) -> Play:
    """Send a chat completion."""
    return lambda handler, _: handler.send(200, completion(content, finish, **more))


def without_usage(content: str = "fine") -> Play:
    """Send a chat completion that reports no usage."""
    body = completion(content)
    del body["usage"]
    return lambda handler, _: handler.send(200, body)


def call(arguments: str) -> Play:
    """Send a function call with raw arguments."""
    function = {"name": "answer", "arguments": arguments}
    calls = [{"id": "t-1", "type": "function", "function": function}]
    return answer(None, "tool_calls", message={"tool_calls": calls})


def status(code: int, error: dict[str, Any] | str = "refused", **headers: str) -> Play:
    """Send an HTTP error."""
    body = {"error": error if isinstance(error, dict) else {"message": error, "code": None}}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda handler, _: handler.send(code, body, named)


def raw(body: str, kind: str = "application/json") -> Play:
    """Send any body with status 200."""
    return lambda handler, _: handler.send_bytes(200, body.encode(), {"content-type": kind})


def embeddings(dimensions: int = 8) -> Play:
    """Send vectors that count letters, so that texts of the same letters are alike."""

    def vector(text: str) -> list[float]:
        return [float(sum(ord(c) % dimensions == n for c in text.lower())) for n in range(dimensions)]

    def play(handler: "Handler", body: dict[str, Any]) -> None:
        rows = [
            {"object": "embedding", "index": n, "embedding": vector(text)}
            for n, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        handler.send(200, {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage})

    return play


def cut(handler: "Handler", _: dict[str, Any]) -> None:
    """Promise a whole body and send half."""
    body = json.dumps(completion()).encode()
    handler.head(200, {"content-type": "application/json", "content-length": str(len(body))})
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def reset(handler: "Handler", _: dict[str, Any]) -> None:
    """Reset the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def trickle(handler: "Handler", _: dict[str, Any]) -> None:
    """Send a body so slowly that every single read is in time and the whole is not."""
    body = json.dumps(completion()).encode()
    handler.head(200, {"content-type": "application/json", "content-length": str(len(body))})
    for start in range(0, len(body), 8):
        handler.wfile.write(body[start : start + 8])
        handler.wfile.flush()
        time.sleep(0.1)


def refusing(words: Iterable[str]) -> Play:
    """Answer, unless the request's body holds one of the words: then 400 naming it."""

    def play(handler: "Handler", body: dict[str, Any]) -> None:
        text = json.dumps(body)
        for word in words:
            if word in text:
                return handler.send(400, {"error": {"message": f"unknown parameter {word}", "code": None}})
        if "tools" in body:
            return call('{"colour": "red"}')(handler, body)
        return handler.send(200, completion('{"colour": "red"}'))

    return play


class Handler(BaseHTTPRequestHandler):
    """Records what was asked and plays the next line of the script."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        play = self.server.owner.models
        self.server.owner.listed += 1
        play(self, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.owner.next_play(body, dict(self.headers))(self, body)

    def head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def send(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.send_bytes(
            code, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
        )

    def send_bytes(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.head(code, {**headers, "content-length": str(len(body))})
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: "ModelServer"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class ModelServer:
    """The server; the script's last line repeats for ever."""

    def __init__(self, *script: Play) -> None:
        self.script = list(script) or [answer()]
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.listed = 0
        self.models: Play = lambda handler, _: handler.send(
            200,
            {"object": "list", "data": [{"id": "played", "object": "model", "created": 1, "owned_by": "us"}]},
        )
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"http://{self.host}/v1"

    @property
    def calls(self) -> int:
        """How many completions were asked for."""
        return len(self.requests)

    def next_play(self, body: dict[str, Any], headers: dict[str, str]) -> Play:
        """Record the request; what to play for it."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            return self.script[min(len(self.requests), len(self.script)) - 1]

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
