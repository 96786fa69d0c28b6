"""What does a web server call?"""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("DATABASE_LOCK_SECONDS", "10")  # who waits for an answer is told 503 sooner than they give up

application = get_wsgi_application()
_ = get_resolver().url_patterns  # loaded now, so that nobody's first visit waits for it
