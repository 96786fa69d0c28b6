"""How does Django find this app?

After migrations it also gives the application's role what it may touch, and no more, and holds the guards.
"""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class PortalConfig(AppConfig):
    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import portal.celery  # noqa: F401 - a shared task must know whose it is
        from portal.grants import grant, hold_the_guards, let_the_owner_migrate
        from portal.privacy import retaining

        retaining.register()
        pre_migrate.connect(let_the_owner_migrate, dispatch_uid="portal.migrating")
        post_migrate.connect(hold_the_guards, dispatch_uid="portal.guards")
        post_migrate.connect(grant, dispatch_uid="portal.grants")
