"""Runs inside the sandbox: builds the wheel, installs it into a clean environment, imports it there."""

import json
import shutil
import subprocess  # nosec B404
import sys
import tempfile
import venv
from pathlib import Path

TMP = tempfile.gettempdir()


def run(step, *argv, cwd=TMP):
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)  # nosec B603
    said = (done.stderr + done.stdout).strip().splitlines()
    STEPS.append({"step": step, "code": done.returncode, "said": "\n".join(said[-8:])})
    return done.returncode == 0


STEPS = []


def build(package):
    if not run(
        "build",
        "/venv/bin/python",
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        f"{TMP}/dist",
        cwd="/code",
    ):
        return ""
    wheels = sorted(Path(f"{TMP}/dist").glob("*.whl"))
    if len(wheels) != 1:
        return ""
    for entry in Path("/code").iterdir():  # the tests must pass without the source
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    venv.create(f"{TMP}/clean", with_pip=False, symlinks=True)
    clean = f"{TMP}/clean/bin/python"
    pip = (
        "/venv/bin/python",
        "-m",
        "pip",
        "--python",
        clean,
        "--disable-pip-version-check",
        "--no-cache-dir",
    )
    if not run("install", *pip, "install", "--no-index", str(wheels[0])):
        return ""
    if not run("import", clean, "-I", "-c", f"import {package}"):
        return ""
    return wheels[0].name


def main(package, tests):
    name = build(package)
    Path("/out/steps.json").write_text(json.dumps({"wheel": name, "steps": STEPS}), encoding="utf-8")
    if not name:
        return
    tools = [p for p in sys.path if p.startswith("/venv/") and p.endswith("site-packages")]
    driver = f"import sys; sys.path += {tools!r}; sys.path.insert(0, '/tests'); import judge_driver; "
    driver += "judge_driver.main(['run', '', *sys.argv[1:]])"
    subprocess.run([f"{TMP}/clean/bin/python", "-P", "-s", "-c", driver, *tests], cwd=TMP, check=False)  # nosec B603


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
