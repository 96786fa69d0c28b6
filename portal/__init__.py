"""Roof and foundations. Nothing is imported here: a witness or the stand-in platform needs no Django and no Celery."""
