"""Can a program read the sealed log and check what it reads?"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from portal.audit import note, sealing, signing, tree
from portal.audit.models import AuditEvent
from tests.audit.test_seal import seal, write
from tests.conftest import NOON

API = "/api/v1/audit"


@pytest.fixture
def vera_asks(real_commits: None, person: Any, tmp_path: Path, settings: Any) -> Any:
    """An auditor's key, and a log of which all but the newest events are signed."""
    from portal.people import actions
    from portal.people.models import User

    settings.SIGNER_DIR = tmp_path / "signer"
    vera = person("vera", "auditor")
    _, key = actions.issue_key(vera, by=User.objects.service("system"), now=NOON, title="script", scopes=())
    write(300, of="case:900")
    seal()
    signer = signing.Signer()
    signer.sign()
    signer.close()
    client = Client(headers={"Authorization": f"Bearer {key}"})
    return lambda path, **asked: client.get(f"{API}/{path}", asked)


def test_the_checkpoint_is_signed_text(vera_asks: Any) -> None:
    answer = vera_asks("checkpoint")
    assert answer["Content-Type"].startswith("text/plain")
    key = note.Verifier.parse((signing.settings.SIGNER_DIR / "log.vkey").read_text().strip())
    assert note.verify(note.Note.parse(answer.content.decode()), key)


def test_events_come_in_order_page_by_page(vera_asks: Any) -> None:
    seen, after = [], -1
    while after is not None:
        page = vera_asks("events", after=after).json()
        seen += [one["index"] for one in page["results"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == AuditEvent.objects.filter(leaf__isnull=False).count() > 300


def test_a_proof_leads_to_the_root_of_the_checkpoint(vera_asks: Any) -> None:
    event = vera_asks("events", type="case.viewed", after=150).json()["results"][0]
    told = vera_asks("proof", event=event["event"]).json()
    checkpoint = note.Checkpoint.parse(note.Note.parse(told["checkpoint"]).text)
    proof = [base64.b64decode(one) for one in told["proof"]]
    leaf = tree.leaf_hash(base64.b64decode(told["leaf"]))
    assert told["leaf"] == event["leaf"]
    assert tree.check_inclusion(told["index"], checkpoint.size, leaf, proof, checkpoint.root)
    assert not tree.check_inclusion(told["index"] + 1, checkpoint.size, leaf, proof, checkpoint.root)


def test_an_event_that_is_not_signed_yet_is_asked_for_again_later(vera_asks: Any) -> None:
    late = write(1)[0]
    assert vera_asks("proof", event=str(late.pk)).status_code == 409
    seal()
    assert vera_asks("proof", event=str(late.pk)).status_code == 409


@pytest.mark.parametrize(
    ("path", "asked"),
    [("events", {"after": "x"}), ("events", {"of": "x"}), ("events", {"of": "case:x"}), ("events", {"of": "queue:1"}),
     ("events", {"by": "nobody"}), ("events", {"type": "x"}), ("proof", {}), ("proof", {"event": "x"})],
)  # fmt: skip
def test_rubbish_is_refused_with_the_field(vera_asks: Any, path: str, asked: dict[str, str]) -> None:
    answer = vera_asks(path, **asked)
    assert answer.status_code == 400
    field = {"by": "actor"}.get(next(iter(asked), "event"), next(iter(asked), "event"))
    assert answer.json()["detail"].startswith((f"{field}: ", "case: "))


def test_who_may_not_read_the_log_gets_no_part_of_it(vera_asks: Any, person: Any) -> None:
    from portal.people import actions
    from portal.people.models import User

    _, key = actions.issue_key(
        person("ada", "reviewer"), by=User.objects.service("system"), now=NOON, title="x", scopes=()
    )
    for path in ("checkpoint", "events", "proof"):
        assert Client(headers={"Authorization": f"Bearer {key}"}).get(f"{API}/{path}").status_code == 403


def test_events_of_a_hidden_lane_are_not_there(vera_asks: Any, person: Any) -> None:
    from tests.make import make_case

    case = make_case(risk_type="underage", queue="minors")
    seal()
    hidden = AuditEvent.objects.filter(subjects__contains=[case.audit_name]).first()
    assert hidden is not None
    told = json.loads(bytes(hidden.leaf.leaf))
    assert told["subj"][0]["k"] == sealing.tag(case.audit_name, "minors").hex(), "counted apart from what all may see"
    assert vera_asks("events", of=f"case:{case.pk}").json()["results"] == []
    assert vera_asks("proof", event=str(hidden.pk)).status_code == 404
