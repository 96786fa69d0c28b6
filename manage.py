#!/usr/bin/env python
"""Where does everything start? Here: commands, and the servers of this machine before them."""

import os
import sys

from portal.local.attach import attach
from portal.local.processes import CannotStart


def main() -> int:
    if sys.argv[1:2] == ["demo"]:
        from portal.local import supervisor

        return supervisor.main(sys.argv[2:])  # before Django: its settings want the servers this starts
    try:
        arguments = attach(sys.argv)
    except CannotStart as why:
        print(why, file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as wrong:  # a setting or a description: what says where is the sentence, not our stack
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
