"""How does Django find this app, and what do its rooms ask of each other upwards?"""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    name = "risk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Privacy stands below and is told here who knows accounts, and what goes when one is erased or it is old.

        A feed's description that does not check out is refused here, with its line.
        """
        from risk.intake import erasing, retaining
        from risk.intake.feeds import feeds
        from risk.scoring import erasing as scoring

        erasing.register()
        retaining.register()
        scoring.register()
        feeds()
