"""Which tables does this app have? An index for Django; code imports from the rooms."""

from portal.audit.models import AuditEvent
from portal.people.models import Grant, ServiceKey, User
from portal.privacy.models import VaultKey, VaultValue

__all__ = ["AuditEvent", "Grant", "ServiceKey", "User", "VaultKey", "VaultValue"]
