"""Roof and foundations. Celery asks to find its app here, so that a shared task knows whose it is."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
