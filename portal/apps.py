"""How does Django find this app?

After migrations it also gives the application's role what it may touch, and no more.
"""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PortalConfig(AppConfig):
    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import portal.celery  # noqa: F401 - a shared task must know whose it is
        from portal.grants import grant
        from portal.privacy import retaining

        retaining.register()
        post_migrate.connect(grant, dispatch_uid="portal.grants")
