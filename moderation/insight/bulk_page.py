"""What stands on the pages of group decisions? The form as it was filled in, what it would do, and how one stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import UploadedFile

from moderation.bulk import choosing, reading, refusals, reporting
from moderation.bulk.choosing import Chosen
from moderation.bulk.models import LEAST, MOST, Bulk, BulkItem
from moderation.bulk.reading import Preview
from moderation.cases.models import Queue, Workflow
from moderation.decisions.effects import OUTCOMES, SCOPES
from moderation.decisions.models import Policy, ReasonCode
from moderation.desk.forms import UNTIL_DAYS, until_in
from moderation.desk.search import platforms
from portal.people.models import User
from portal.privacy.actions import open_value
from portal.refusal import Refused
from portal.wording import BAND_WORDS, number, plain

LARGEST_LIST = 2 * 1024 * 1024  # bytes of an uploaded list
KEPT = (
    "risk_type", "by", "platform", "lowest", "highest", "band", "queue", "label", "rule", "names", "outcome",
    "reason_code", "policy", "scope", "until_days", "until_date", "note", "although", "request_key", "made_at",
)  # fmt: skip
WHERE = {
    "platform": "on {}", "lowest": "score {} or more", "highest": "score {} or less", "band": "band {}",
    "queue": "with a case waiting in {}", "label": "{} before", "rule": "points by {}",
}  # fmt: skip


@dataclass
class Filled:
    """The form as it was sent: each field as text, and whom it chose."""

    fields: dict[str, str]
    upload: UploadedFile[Any] | None = None
    chosen: Chosen | None = None


def risk_types() -> list[str]:
    """Whose cases may be decided in groups."""
    types = Workflow.objects.order_by("risk_type").values_list("risk_type", flat=True)
    return [one for one in types if reading.general_queue(one) is not None]


def read(data: Mapping[str, Any], upload: UploadedFile[Any] | None, *, now: datetime) -> Filled:
    """The form as somebody sent it; of another risk type than may be decided in groups, the first that may."""
    fields = {name: str(data.get(name, "")) for name in KEPT}
    types = risk_types()
    if fields["risk_type"] not in types:
        fields["risk_type"] = types[0] if types else ""
    fields["request_key"] = fields["request_key"][:128] or uuid4().hex
    fields["made_at"] = fields["made_at"] or now.isoformat()
    return Filled(fields, upload if upload is not None and upload.size else None)


def choose(filled: Filled) -> Chosen:
    """The accounts that the form means; an uploaded list is put where names are typed. Raises `Refused` (400)."""
    said = filled.fields
    if said["by"] == "list":
        if filled.upload is not None:
            said["names"] = _text_of(filled.upload)
        found = choosing.by_list(said["names"], platform=said["platform"])
    else:
        found = choosing.by_filter(choosing.filter_in(said), risk_type=said["risk_type"])
    filled.chosen = found
    return found


def _text_of(upload: UploadedFile[Any]) -> str:
    if (upload.size or 0) > LARGEST_LIST:
        raise Refused("This file is larger than a list of 5,000 names can be.", status=400)
    try:
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("This file is no text in UTF-8.", status=400) from None


def word_in(filled: Filled, *, now: datetime) -> dict[str, Any]:
    """What is to be decided, as `actions.propose` takes it; what an outcome does not take is left out."""
    said, effect = filled.fields, OUTCOMES.get(filled.fields["outcome"])
    if effect is None or not said["reason_code"]:
        raise Refused("Choose an outcome and a reason.", status=400)
    return {
        **{name: said[name] for name in ("risk_type", "outcome", "reason_code", "policy", "note", "although")},
        "until": until_in(said, now=now) if effect.until != "no" else None,
        "scope": said["scope"] if effect.scope else "",
    }


def form(filled: Filled) -> dict[str, Any]:
    """What the form offers for a risk type, with what was filled in."""
    said = filled.fields
    flow = Workflow.objects.filter(risk_type=said["risk_type"]).first()
    allowed = flow.outcomes if flow else []
    return {
        "said": said,
        "risk_types": [(one, plain(one)) for one in risk_types()],
        "platforms": platforms(),
        "bands": [(code, BAND_WORDS[code]) for code in choosing.BANDS],
        "queues": list(Queue.objects.filter(lane="general").values_list("slug", "title")),
        "labels": list(choosing.LABELS.items()),
        "outcomes": [(code, OUTCOMES[code].says) for code in allowed if OUTCOMES[code].sends],
        "reasons": list(
            ReasonCode.objects.filter(workflow__in=("any", said["risk_type"])).exclude(policy="")
            .values_list("code", "text", "policy")
        ),
        "policies": list(Policy.objects.filter(in_force=True).order_by("code").values_list("code", "title")),
        "scopes": [(scope, plain(scope)) for scope in SCOPES],
        "days": UNTIL_DAYS,
        "most": MOST,
        "least": LEAST,
    }  # fmt: skip


def seen(preview: Preview, chosen: Chosen, *, risk_type: str) -> dict[str, Any]:
    """What the preview says: how many, who is left out and why, and the sample."""
    out = dict(preview.reasons)
    if chosen.unknown:
        out[reading.UNKNOWN] = out.get(reading.UNKNOWN, 0) + chosen.unknown
    return {
        "accounts": len(preview.accounts),
        "left_out": sorted(out.items(), key=lambda one: -one[1]),
        "left_out_all": sum(out.values()),
        "below": preview.below,
        "mostly_below": preview.mostly_below,
        "cut": chosen.cut,
        "digest": preview.digest.hex(),
        "sample": reading.sampled(preview.sample, risk_type=risk_type),
    }


def says(bulk: Bulk) -> str:
    """What it does, in words: Suspend 4 812 accounts."""
    return f"{OUTCOMES[bulk.outcome].says} {number(bulk.accounts)} accounts"


def how(bulk: Bulk) -> str:
    """How its accounts were chosen, in words."""
    told = bulk.chosen
    if told.get("by") != "filter":
        return f"from a list of {number(told.get('asked', bulk.accounts))}"
    told = told | ({"label": choosing.LABELS[told["label"]]} if "label" in told else {})
    parts = [words.format(told[name]) for name, words in WHERE.items() if name in told]
    return "by filter: " + (", ".join(parts) or "every score")


def line(bulk: Bulk) -> dict[str, Any]:
    """One row of the list."""
    return {"bulk": bulk, "says": says(bulk), "tone": TONES.get(bulk.status, ""), "word": WORDS[bulk.status]}


def one(bulk: Bulk, *, by: User, now: datetime) -> dict[str, Any]:
    """How one stands, with what this person may do."""
    counts, measures = reporting.counts(bulk), reporting.measures(bulk)
    done = counts.get("decided", 0) + counts.get("undone", 0) + counts.get("kept", 0)
    return {
        **line(bulk),
        "how": how(bulk),
        "risk": plain(bulk.risk_type),
        "note": open_value(bulk.note) or "",
        "counts": counts,
        "done": done,
        "lifts": {name.removeprefix("lift:"): count for name, count in measures.items() if name.startswith("lift:")},
        "measures": {name: count for name, count in measures.items() if not name.startswith("lift:")},
        "moving": bulk.status in (Bulk.Status.RUNNING, Bulk.Status.UNDOING),
        "may_approve": refusals.approve(bulk, by=by, now=now) is None,
        "why_not_approve": refusals.approve(bulk, by=by, now=now) or "",
        "may_decline": refusals.decline(bulk, by=by) is None,
        "mine": bulk.made_by_id == by.pk,
        "may_go_on": refusals.go_on(bulk, by=by) is None,
        "may_stop": refusals.stop(bulk, by=by) is None,
        "may_undo": refusals.undo(bulk, by=by) is None,
        "undo_reasons": list(
            ReasonCode.objects.filter(workflow__in=("any", bulk.risk_type), policy="").values_list("code", "text")
        ),
        "states": [(code, STATES[code], counts[code]) for code in STATES if counts.get(code)],
    }


WORDS = {
    "proposed": "waits for a second lead",
    "running": "running",
    "paused": "paused",
    "stopped": "stopped",
    "done": "done",
    "undoing": "being undone",
    "undone": "undone",
    "declined": "declined",
    "withdrawn": "taken back",
}
TONES = {
    "proposed": "warn", "running": "accent", "undoing": "accent", "paused": "warn", "stopped": "danger", "done": "ok",
}  # fmt: skip
STATES = {
    BulkItem.Status.WAITING.value: "Waiting",
    BulkItem.Status.DECIDED.value: "Decided",
    BulkItem.Status.FAILED.value: "Failed",
    BulkItem.Status.LEFT_OUT.value: "Left out",
    BulkItem.Status.UNDONE.value: "Undone",
    BulkItem.Status.KEPT.value: "Not undone",
    BulkItem.Status.DROPPED.value: "Dropped",
}
