"""Is the database ready, and has its day been told? A process of its own, so that the supervisor needs no Django.

Migrates as the owner, ships the settings, makes the people, tells the day once; writes down who may sign in.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from portal.local.processes import write_private

PEOPLE = "people.json"


def main(data_dir: Path, *, tell: bool) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", database="owner", interactive=False, verbosity=0)
    from portal.local import day

    known = _known(data_dir)
    day.ensure_shipped()
    users = day.ensure_people(known.get("users", []))
    key = day.ensure_service_key(known.get("api_key"))
    write_private(data_dir / PEOPLE, {"users": users, "api_key": key})
    if tell:
        day.tell()
        left = day.ensure_people(users)  # somebody left the company on the told day
        write_private(data_dir / PEOPLE, {"users": left, "api_key": key})


def _known(data_dir: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((data_dir / PEOPLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(Path(sys.argv[1]), tell="--tell" in sys.argv)
