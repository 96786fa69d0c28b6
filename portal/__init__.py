"""Roof and foundations. Celery asks to find its app here."""
