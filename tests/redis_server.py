"""A real Redis server of a test's own, which can be killed, stopped and started again."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis

PASSWORD = "pass-word-of-redis"


class RedisServer:
    """A server on a unix socket, with a password and nothing on disk."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
        self.socket = self._folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What REDIS_URL is set to."""
        return f"unix://:{PASSWORD}@{self.socket}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = {"port": "0", "unixsocket": str(self.socket), "requirepass": PASSWORD, "save": ""}
        command = [
            "redis-server",
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it hang: connections are taken and nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)
