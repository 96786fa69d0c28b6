"""Which tables does this app have? An index for Django; code imports from the rooms."""

from risk.intake.models import Account, Batch, Link, Signal, SignalKind, Standing
from risk.scoring.models import Reason, Score
from risk.strategy.models import NamedList, Rule, Strategy, Version

__all__ = [
    "Account",
    "Batch",
    "Link",
    "NamedList",
    "Reason",
    "Rule",
    "Score",
    "Signal",
    "SignalKind",
    "Standing",
    "Strategy",
    "Version",
]
