"""Which tables does this app have? An index for Django; code imports from the rooms."""

from portal.audit.models import AuditEvent, Checkpoint, Head, Leaf, Pending, Tile, Tree
from portal.people.models import Grant, ServiceKey, User
from portal.privacy.models import VaultKey, VaultValue

__all__ = [
    "AuditEvent",
    "Checkpoint",
    "Grant",
    "Head",
    "Leaf",
    "Pending",
    "ServiceKey",
    "Tile",
    "Tree",
    "User",
    "VaultKey",
    "VaultValue",
]
