"""Which tables does this app have? An index for Django; code imports from the rooms."""

from portal.audit.models import Alarm, AuditEvent, Checkpoint, Cosignature, Head, Leaf, Pending, Tile, Tree
from portal.people.models import Grant, ServiceKey, User
from portal.privacy.models import Hold, RetentionRun, Reveal, VaultKey, VaultValue

__all__ = [
    "Alarm",
    "AuditEvent",
    "Checkpoint",
    "Cosignature",
    "Grant",
    "Head",
    "Hold",
    "Leaf",
    "Pending",
    "RetentionRun",
    "Reveal",
    "ServiceKey",
    "Tile",
    "Tree",
    "User",
    "VaultKey",
    "VaultValue",
]
