"""Which tables does this app have? An index for Django; code imports from the rooms."""

from moderation.bulk.models import Bulk, BulkItem
from moderation.cases.models import Case, Draft, Evidence, Note, Queue, RoutingRule, Skip, Workflow
from moderation.decisions.models import Acknowledgement, Approval, CapOpening, Decision, Policy, ReasonCode
from moderation.enforcement.models import AccountSequence, Attempt, Backend, Enforcement, Finding, Notice
from moderation.insight.models import Export, ExportLink, HourlyRollup, LogCheck

__all__ = [
    "AccountSequence",
    "Acknowledgement",
    "Approval",
    "Attempt",
    "Backend",
    "Bulk",
    "BulkItem",
    "CapOpening",
    "Case",
    "Decision",
    "Draft",
    "Enforcement",
    "Evidence",
    "Export",
    "ExportLink",
    "Finding",
    "HourlyRollup",
    "LogCheck",
    "Note",
    "Notice",
    "Policy",
    "Queue",
    "ReasonCode",
    "RoutingRule",
    "Skip",
    "Workflow",
]
