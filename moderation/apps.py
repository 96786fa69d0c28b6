"""How does Django find this app, and what do its rooms ask of each other upwards?"""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """A claim asks what decisions know of the person; cases stand below and are told here. So is privacy, of what
        goes when an account is erased and what when it is old. A backend's description or a template of a notice that
        does not check out is refused here, with its line.
        """
        from moderation.bulk import retaining as kept_groups
        from moderation.cases import erasing as cases
        from moderation.cases.objections import before_claim
        from moderation.decisions import erasing as decisions
        from moderation.decisions import retaining as kept_decisions
        from moderation.decisions.telling import templates
        from moderation.decisions.unread import unread_policy
        from moderation.desk.card import register as register_card
        from moderation.enforcement import erasing as enforcement
        from moderation.enforcement.connector import descriptions
        from moderation.insight import erasing as insight
        from moderation.insight import retaining as kept_numbers

        for room in (cases, enforcement, decisions, insight, kept_decisions, kept_groups, kept_numbers):
            room.register()
        before_claim(unread_policy)
        register_card()
        descriptions()
        templates()
