"""Which processes make up the whole, and how is each started?"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EARLY = ("platform", "web")  # need no tables to start
LATE = ("worker", "beat", "dispatcher", "sequencer", "signer", "witness")  # would act on a half-told day
STAYS_DOWN = 3  # the exit code of who would only refuse again: it is not started again, and the rest goes on
ALIVE = "alive"  # goes on talking where a day was told; a visitor, so `demo.json` does not name it


def command(name: str, *, port: int, platform_port: int, data_dir: Path, witness_port: int = 0) -> list[str]:
    """The command line of one of our processes."""
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-A", "portal.celery", "--workdir", str(ROOT)]
    match name:
        case "web":
            return [
                *python, "granian", "--interface", "wsgi", "portal.wsgi:application", "--host", "127.0.0.1",
                "--port", str(port), "--workers", "2", "--blocking-threads", "4", "--backlog", "1024",
                "--respawn-failed-workers", "--workers-kill-timeout", "5s", "--no-ws", "--log-level", "warning",
            ]  # fmt: skip
        case "worker":
            return [
                *celery, "worker", "--concurrency", "2", "--loglevel", "WARNING",
                "--without-mingle", "--without-gossip",
            ]  # fmt: skip
        case "beat":
            return [*celery, "beat", "--loglevel", "WARNING"]
        case "dispatcher" | "sequencer" | "signer":
            return [sys.executable, str(ROOT / "manage.py"), name]
        case "witness":
            return [
                *python, "portal.audit.witness", "--name", "witness.local", "--state", str(data_dir / "witness"),
                "--log-key", str(data_dir / "signer" / "log.vkey"), "--wait", "300",
                "--listen", f"127.0.0.1:{witness_port}",
            ]  # fmt: skip
        case "alive":
            return [*python, "portal.local.alive", str(data_dir)]
        case "platform":
            return [
                *python, "portal.local.platform", "--port", str(platform_port),
                "--data", str(data_dir / "platform.jsonl"),
                "--secret-file", str(data_dir / "platform.secret"), "--demo", str(data_dir / "demo.json"),
            ]  # fmt: skip
    raise ValueError(name)


def witnesses(port: int, data_dir: Path) -> str:
    """What the signer is told of the witness beside it; its key is made at its first start."""
    return f"http://127.0.0.1:{port} {(data_dir / 'witness' / 'witness.vkey').as_uri()}"
