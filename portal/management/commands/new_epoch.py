"""`manage.py new_epoch`: how does the log go on after a restore? Run where the signer's folder is, with it stopped."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import clock
from portal.audit import epochs, signing
from portal.people.models import User
from portal.privacy import actions as privacy
from portal.privacy.models import VaultValue


class Command(BaseCommand):
    help = "Go on with the log under a new name, after the signer refused; the first event states what was lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="what happened, for people; kept in the vault")
        parser.add_argument("--ticket", required=True, help="where it is written down, such as OPS-4711")
        parser.add_argument("--yes", action="store_true", help="even though the signer does not refuse")

    def handle(self, *args: Any, reason: str, ticket: str, yes: bool, **options: Any) -> None:
        """One epoch, or one sentence why not."""
        if not reason.strip() or not re.fullmatch(r"[A-Za-z0-9._#/-]{1,64}", ticket):
            raise CommandError("Give a reason in words, and a ticket of letters, digits and ._#/-")
        try:
            signer = signing.Signer()
        except signing.AnotherSigns as why:
            raise CommandError(f"{why} Stop it first.") from None
        try:
            if not signer.refusal() and not yes:
                raise CommandError("The signer does not refuse: the tree continues what it signed. Nothing was done.")
            system = User.objects.service("system")
            kept = privacy.keep(
                privacy.subject_of_user(system), "log.epoch", reason.strip(), data_class=VaultValue.DataClass.STAFF
            )
            opened = epochs.open_epoch(
                signer,
                by=system,
                now=clock.now(),
                reason=kept.pk,
                commitment=bytes(kept.commitment).hex(),
                ticket=ticket,
            )
        except epochs.NoEpoch as no:
            raise CommandError(str(no)) from None
        finally:
            signer.close()
        for what, one in (("signed before", opened.before), ("still there", opened.kept), ("the tree", opened.tree)):
            self.stdout.write(f"{what:<14} {one.size} leaves, root {one.root.hex()}")
        self.stdout.write(f"The log goes on as {opened.origin}. Start the signer, and give the new public key to")
        self.stdout.write("witnesses and to whoever keeps the old one:")
        self.stdout.write(signer.key.verifier.vkey)
