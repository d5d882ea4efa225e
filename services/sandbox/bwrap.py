"""The command line of bubblewrap: what is visible inside, and under which limits."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from services.sandbox.job import Job, Limits

WRITABLE = ("/tmp", "/dev/shm", "/out")  # nosec B108 - places inside the sandbox, each a private tmpfs
_TOP = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
ENVIRONMENT = {
    "PATH": "/venv/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # nosec B108 - a private tmpfs
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_READY = 'echo 1000 >/proc/self/oom_score_adj; {copy}printf . && read -r _ && exec "$@"'
_COPY = "cp -rP --no-preserve=all /src/. /code/ && "
_MIB = 1 << 20


@dataclass(frozen=True)
class Tools:
    """The programs that build a sandbox."""

    bwrap: str
    setpriv: str
    prlimit: str


def command(tools: Tools, job: Job, folder: Path, uid: int, info: int, root: bool) -> list[str]:
    """bubblewrap's arguments for a job whose files lie in a staged folder."""
    return [
        tools.bwrap,
        *("--info-fd", str(info)),
        *_namespaces(root, uid),
        *_system(folder),
        *_places(job, folder),
        *(_interpreter(job.environment) if job.environment else ()),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/code"),
        *_variables({**ENVIRONMENT, **job.env}),
        "--",
        *(_drop(tools.setpriv, uid) if root else ()),
        *_limits(tools.prlimit, job.limits),
        *("/bin/sh", "-c", _READY.format(copy=_COPY if job.code_writable else ""), "sh"),
        *job.argv,
    ]


def _namespaces(root: bool, uid: int) -> list[str]:
    shared = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --new-session"
    alone = [*shared.split(), "--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if not root:
        return [*alone, "--unshare-user", "--disable-userns", "--uid", str(uid), "--gid", str(uid)]
    return [
        *alone,
        *(part for cap in ("SETUID", "SETGID", "SETPCAP") for part in ("--cap-add", f"CAP_{cap}")),
    ]


def _system(folder: Path) -> list[str]:
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    arguments += ["--perms", "0755", "--dir", "/etc"]
    for name in ("ld.so.cache", "alternatives"):
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for file in sorted((folder / "etc").iterdir()):
        arguments += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return [*arguments, "--proc", "/proc", "--dev", "/dev"]


def _places(job: Job, folder: Path) -> list[str]:
    writable = [*WRITABLE, "/code"] if job.code_writable else list(WRITABLE)
    arguments: list[str] = []
    for name in writable:
        size = str(job.limits.tmp_mb * _MIB)
        arguments += ["--perms", "1777", "--size", size, "--tmpfs", name]
    arguments += ["--ro-bind", str(folder / "code"), "/src" if job.code_writable else "/code"]
    return arguments + (["--ro-bind", str(folder / "tests"), "/tests"] if job.tests else [])


def _interpreter(environment: Path) -> list[str]:
    arguments = ["--ro-bind", str(environment.resolve()), "/venv"]
    made: set[Path] = set()
    for base in _bases(environment):
        for parent in reversed(base.parents):
            if parent != Path("/") and parent not in made:
                made.add(parent)
                arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", str(base.resolve()), str(base)]
    return arguments


def _bases(environment: Path) -> list[Path]:
    """The folders outside /usr that the links of an environment's interpreter lead through."""
    bases: list[Path] = []
    link = environment / "bin" / "python"
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        bases += [link.parent.parent, link.parent.resolve().parent]
    inside = (environment, environment.resolve(), Path("/usr"), *(Path(name) for name in _TOP))
    outside = [base for base in bases if not any(base.is_relative_to(known) for known in inside)]
    return [base for base in dict.fromkeys(outside) if base != Path("/")]


def _variables(variables: dict[str, str]) -> list[str]:
    return ["--clearenv", *(part for pair in variables.items() for part in ("--setenv", *pair))]


def _drop(setpriv: str, uid: int) -> list[str]:
    identity = [setpriv, "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return [*identity, "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _limits(prlimit: str, limits: Limits) -> list[str]:
    wanted = {
        "cpu": (resource.RLIMIT_CPU, limits.cpu_s),
        "data": (resource.RLIMIT_DATA, limits.memory_mb * _MIB),
        "fsize": (resource.RLIMIT_FSIZE, limits.file_mb * _MIB),
        "nofile": (resource.RLIMIT_NOFILE, limits.open_files),
        "nproc": (resource.RLIMIT_NPROC, limits.processes),
        "core": (resource.RLIMIT_CORE, 0),
        "msgqueue": (resource.RLIMIT_MSGQUEUE, 0),
    }
    arguments = [prlimit]
    for name, (kind, value) in wanted.items():
        ceiling = resource.getrlimit(kind)[1]
        bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        arguments.append(f"--{name}={bound}:{bound + (name == 'cpu')}")
    return arguments
