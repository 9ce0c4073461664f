# syntax=docker/dockerfile:1
# The bot for `/run github` and `/run modal`: it starts runs elsewhere, so no compiler and no bubblewrap is in here. Do
# not switch `/run local` on in it: a container of the usual kind may make no user namespaces, and programs would run as
# the bot itself (docs/operations.md). No secret is built in: settings come from the environment.
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/cluster-bot/.venv
WORKDIR /opt/cluster-bot
# First what changes seldom: every wheel by its hash, as script/ installs them.
COPY requirements.txt ./
RUN .venv/bin/pip install --require-hashes --only-binary :all: --no-deps -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# What `cluster-bot github install` and `cluster-bot modal deploy` put elsewhere.
COPY modal_runners ./modal_runners
COPY workflows ./workflows
COPY .github/workflows ./.github/workflows
RUN .venv/bin/pip install --no-build-isolation --no-deps --no-index --editable .

FROM python:3.12-slim-bookworm
RUN groupadd --system --gid 10001 cluster-bot \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin cluster-bot \
    && install -d -o cluster-bot -g cluster-bot -m 0711 /data
COPY --from=build /opt/cluster-bot /opt/cluster-bot
ENV PATH=/opt/cluster-bot/.venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data WEB_HOST=0.0.0.0 WEB_PORT=8080
# By its number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# That the loop turns. What is outside (the database, Discord) is /readyz, which no restart of this mends.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['WEB_PORT']}/healthz\", timeout=9)"]
ENTRYPOINT ["cluster-bot"]
CMD ["up"]
