"""How do signals get in from a file?

`manage.py load FILE [--map MAP.toml] [--source NAME]`, in batches, with rejects by line.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from portal import clock
from portal.people.models import User
from risk.intake import actions, bulk, catalogue
from risk.intake.bulk import BadFile, Line
from risk.intake.mapping import BadMap, Map, read_map

BATCH = 2000
REPORT_SECONDS = 1.0
SHOWN_REJECTS = 5


class Command(BaseCommand):
    help = (
        "Take in signals from a file (.ndjson, .csv, .parquet, each also .gz). Loading a file twice is loading it once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--map", type=Path, help="a TOML file that says where each part of a signal comes from")
        parser.add_argument(
            "--source", default="", help="who tells us, where the file does not say; with a map, else the file's name"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            # a map makes signals, so it needs a name for who tells; lines that are signals already say it themselves
            source = options["source"] or (file.name.split(".")[0] if options["map"] else "")
            told = self._map(options["map"], source[:64])
            totals = self._load(bulk.lines(file, told, source=source[:64], note=self._note), file)
        except (BadFile, BadMap) as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"accepted {totals[0]} duplicates {totals[1]} rejected {totals[2]}")
        if totals[2]:
            sys.exit(1)

    def _map(self, path: Path | None, source: str) -> Map | None:
        if path is None:
            return None
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadMap(f"The map {path} cannot be read: {error}") from None
        return read_map(text, source=source, known=catalogue.attributes().types)

    def _load(self, lines: Iterator[Line], file: Path) -> tuple[int, int, int]:
        by = User.objects.service("load")
        rejects = _Rejects(file)
        accepted = duplicates = seen = 0
        started = reported = time.monotonic()
        try:
            while batch := list(itertools.islice(lines, BATCH)):
                sizes = [line.size or 0 for line in batch]
                receipt = actions.ingest([line.raw for line in batch], by=by, now=clock.now(), door="file", sizes=sizes)
                accepted, duplicates, seen = (
                    accepted + receipt.accepted,
                    duplicates + receipt.duplicates,
                    seen + len(batch),
                )
                for bad in receipt.rejected:
                    rejects.write(batch[bad.index], bad)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    self._note(f"{seen:,} lines, {seen / (reported - started):,.0f} a second")
        finally:
            rejects.close()
        if rejects.count:
            self._note(rejects.told())
        return accepted, duplicates, rejects.count

    def _note(self, text: str) -> None:
        self.stderr.write(text)


class _Rejects:
    """The file of what was not taken: made when the first line goes in, with what an earlier run left removed."""

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(file.name + ".rejected.ndjson")
        self.count = 0
        self.first: list[str] = []
        self.stream: IO[str] | None = None

    def write(self, line: Line, bad: actions.Rejected) -> None:
        if self.stream is None:
            # it holds what people sent, so only its owner reads it
            self.stream = os.fdopen(
                os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            )
        row = {"line": line.number, "path": bad.path, "reason": bad.reason, "input": line.input}
        self.stream.write(json.dumps(row, default=str) + "\n")
        self.count += 1
        if self.count <= SHOWN_REJECTS:
            self.first.append(f"line {line.number} at {bad.path}")

    def told(self) -> str:
        """Where to look and what to do. Reasons may quote what people sent, so they stay in the file."""
        more = f" and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
        return (
            f"Not taken in: {', '.join(self.first)}{more}. Each stands with its reason in {self.path}; "
            "correct them at their source and load it again: what was taken in counts once."
        )

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
        else:
            self.path.unlink(missing_ok=True)
