# Two stages: the first has the build tools, the second only Python, the locked packages and FlashNotify.
#
#   docker build -t flashnotify .                                             # without chat
#   docker build -t flashnotify --build-arg LOCK=requirements-chat.lock .     # with chat
#   docker run -p 8000:8000 -v flashnotify:/data --init --stop-timeout 20 flashnotify
#
# --stop-timeout: after SIGTERM, work in flight gets FLASHNOTIFY_DRAIN_SECONDS (10) to finish. Docker
# kills after 10 seconds by default, which leaves no margin.

FROM python:3.13-slim-trixie AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1

WORKDIR /src

# The lock files first: these layers are rebuilt only when a lock changes.
ARG LOCK=requirements.lock
COPY requirements-build.lock ${LOCK} ./
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --require-hashes --no-deps --only-binary :all: -r requirements-build.lock \
    && /opt/build/bin/python -m pip wheel --require-hashes --no-deps --only-binary :all: --no-binary http-ece \
        --no-build-isolation --wheel-dir /opt/wheels -r "${LOCK}" \
    && python -m venv --without-pip /opt/flashnotify \
    && /opt/build/bin/python -m pip --python /opt/flashnotify/bin/python install --no-deps --no-index \
        /opt/wheels/*.whl

COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
RUN /opt/build/bin/python -m hatchling build -t wheel \
    && /opt/build/bin/python -m pip --python /opt/flashnotify/bin/python install --no-deps --no-index dist/*.whl \
    && /opt/flashnotify/bin/python -m compileall -q /opt/flashnotify/lib


FROM python:3.13-slim-trixie

ENV PATH=/opt/flashnotify/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASHNOTIFY_DATABASE_URL=sqlite:////data/flashnotify.db \
    FLASHNOTIFY_LOG_FORMAT=json

# A numeric user, so that an orchestrator can verify that it isn't root. A new volume inherits the
# owner and mode of /data; the lock file, the socket and the secret key are next to the database.
RUN groupadd --system --gid 10001 flashnotify \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin flashnotify \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data

COPY --from=builder /opt/flashnotify /opt/flashnotify

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4).close()"]

# It handles SIGTERM from its first line on, and has no child processes. Only while Python itself starts
# (some 50 ms) does the first process of a container lose it: --init prevents that.
ENTRYPOINT ["flashnotify"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
