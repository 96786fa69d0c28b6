"""Can a reviewer, a lead and an auditor do their work in a browser: by keys alone, by plain forms alone?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from moderation.cases import actions as cases
from moderation.cases.models import Case
from moderation.decisions import actions as decisions
from moderation.decisions.models import Decision
from moderation.decisions.unread import changed_policies
from portal.people.models import User
from tests.make import change


@pytest.fixture(autouse=True)
def unblocked(served: Any, django_db_blocker: Any) -> Any:
    """The test looks into the same database that the server writes."""
    with django_db_blocker.unblock():
        yield


def settled(page: Any) -> None:
    page.wait_for_load_state("networkidle")


@pytest.fixture(autouse=True)
def nobody_holds_anything(unblocked: None) -> None:
    """Each test begins alike: nothing claimed, every policy read."""
    for held in Case.objects.filter(status="claimed").select_related("queue", "account", "claimed_by"):
        cases.release(held, by=held.claimed_by, now=timezone.now())
    for user in User.objects.filter(kind="person"):
        for policy in changed_policies(user):
            decisions.acknowledge(policy, by=user, now=timezone.now())


def test_a_reviewer_works_by_keys_alone(visit: Any) -> None:
    page = visit()
    page.goto("/sign-in/")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("a-long-word-for-tests")
    page.keyboard.press("Enter")
    page.get_by_text("Your day").wait_for()
    settled(page)

    page.keyboard.press("n")
    page.wait_for_url("**/cases/*/")
    settled(page)
    first = page.url
    page.keyboard.press("0")
    page.keyboard.press("o")
    assert page.inner_text("[data-send]") == "Close without action"
    page.keyboard.press("y")
    page.keyboard.type("looked at everything")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/cases/" in address and address != first)
    page.locator("[data-undo]").wait_for()
    page.wait_for_function("document.activeElement.id === 'main'")  # the script moves it once the page is there
    assert Decision.objects.filter(made_by__username="ada", outcome="no_action", status="held").count() == 1

    page.keyboard.press("u")
    page.wait_for_url(first)
    page.get_by_text("is yours again").wait_for()
    assert page.input_value("#note") == "looked at everything"
    assert not Decision.objects.filter(made_by__username="ada", status="held").exists()

    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.get_by_text("Your day").wait_for()


def test_keys_do_nothing_while_somebody_types_and_nothing_when_turned_off(visit: Any) -> None:
    page = visit("ada")
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("ngq?")
    assert page.input_value("#find") == "ngq?"
    assert page.url.endswith("/")

    page.goto("/profile/")
    page.uncheck("[name=keys_on]")
    page.click("text=Save")
    page.goto("/")
    settled(page)
    page.keyboard.press("n")
    page.keyboard.press("?")
    assert page.url.endswith("/")
    assert not page.locator("#keys").is_visible()
    assert page.locator("kbd:visible").count() == 0
    change(User.objects.filter(username="ada"), keys_on=True)


def test_the_palette_goes_anywhere(visit: Any) -> None:
    page = visit("ben")
    settled(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("approv")
    page.keyboard.press("Enter")
    page.wait_for_url("**/approvals/")


def test_what_is_typed_is_kept_before_it_is_sent(visit: Any) -> None:
    page = visit("ada")
    settled(page)
    page.keyboard.press("n")
    page.wait_for_url("**/cases/*/")
    settled(page)
    page.keyboard.press("9")
    page.fill("#note", "not sure yet")
    page.get_by_text("Draft kept.").wait_for()
    page.reload()
    assert page.input_value("#note") == "not sure yet"
    assert page.is_checked("[value=insufficient_evidence]")


def test_the_ring_extends_while_somebody_works(visit: Any, served: Any) -> None:
    page = visit("ada")
    settled(page)
    page.keyboard.press("n")
    page.wait_for_url("**/cases/*/")
    case = Case.objects.get(claimed_by__username="ada")
    soon = timezone.now() + timedelta(seconds=50)
    change(Case.objects.filter(pk=case.pk), claimed_until=soon)
    page.reload()
    settled(page)
    page.get_by_text("Your claim ends soon").wait_for()
    page.keyboard.press("Shift")
    for _ in range(40):
        if Case.objects.get(pk=case.pk).claimed_until > soon:
            break
        page.wait_for_timeout(250)
    assert Case.objects.get(pk=case.pk).claimed_until > soon


def test_a_refusal_is_a_notice_and_the_page_stays(visit: Any) -> None:
    page = visit("ada")
    settled(page)
    page.keyboard.press("n")
    page.wait_for_url("**/cases/*/")
    settled(page)
    address = page.url
    page.evaluate("document.querySelector('[name=version]').value = '77'")
    page.keyboard.press("9")
    page.keyboard.press("o")
    page.keyboard.press("Enter")
    page.locator("#notice [data-refusal]").wait_for()
    assert "has changed since you opened it" in page.inner_text("#notice")
    assert page.url == address
    assert page.is_checked("[value=insufficient_evidence]")


def test_everything_works_without_script(visit: Any) -> None:
    page = visit("milo", script=False)
    assert page.get_by_text("Your day").is_visible()
    page.click("text=Start reviewing")
    assert "/cases/" in page.url
    first = page.url
    page.locator("[value=insufficient_evidence]").check(force=True)
    page.locator("[name=outcome][value=no_action]").check(force=True)
    page.fill("#note", "without a script")
    page.click(".foot .primary")
    assert page.url != first
    decision = Decision.objects.filter(made_by__username="milo").latest("made_at")
    assert decision.outcome == "no_action"

    page.locator(f"form[action='/decisions/{decision.pk}/undo/'] button").click()
    assert page.url == first
    page.click("summary:has-text('Skip')")
    page.fill("#skip-reason", "I do not read this language")
    page.click("text=Skip this case")
    assert page.url != first
    page.fill("#find", "70231")
    page.press("#find", "Enter")
    assert page.url.endswith("/accounts/main/70231/")
    page.goto("/queues/spam/?order=due")
    assert page.locator("tbody tr").count() > 0


def test_a_lead_agrees_and_reverses(visit: Any, served: Any) -> None:
    _, world = served
    page = visit("ben")
    page.goto("/approvals/")
    assert page.get_by_text("Sells codes behind a page").is_visible()
    page.keyboard.press("a")
    page.get_by_text("takes effect now").wait_for()
    assert Decision.objects.get(pk=world.decisions["proposed"].pk).status == "released"

    page.goto(f"/cases/{world.decisions['released'].case_id}/")
    page.click("summary:has-text('Reverse')")
    page.fill("textarea[name=note]", "it was banter")
    page.click("text=Reverse and lift what it did")
    page.get_by_text("what undoes it is on its way").wait_for()
    assert Decision.objects.get(pk=world.decisions["released"].pk).status == "reversed"


def test_what_the_account_holder_will_read_follows_the_choice(visit: Any) -> None:
    case = Case.objects.filter(risk_type="spam", status="waiting").select_related("queue", "account").first()
    assert case is not None
    cases.claim(case, by=User.objects.get(username="ada"), now=timezone.now(), limits=False)
    page = visit("ada")
    page.goto(f"/cases/{case.pk}/")
    settled(page)
    page.locator("[name=reason_code][value=bulk_messages]").check(force=True)
    page.locator("[name=outcome][value=warn]").check(force=True)

    page.locator("#holder-notice .words").first.wait_for()
    assert page.inner_text("#holder-notice .words").startswith("We looked at your account and found that")
    before = page.url

    page.check("[name=silent]")
    page.get_by_text("said so, with a note").wait_for()
    assert page.get_attribute("#note", "required") is not None
    page.uncheck("[name=silent]")
    page.locator("#holder-notice .words").first.wait_for()

    page.locator("[name=outcome][value=no_action]").check(force=True)
    page.locator("#holder-notice .words").first.wait_for(state="hidden")
    assert page.url == before
    assert Decision.objects.filter(made_by__username="ada", status="held").count() == 0
