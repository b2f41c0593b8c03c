# The Python client's example service. The context is the repository: tests/kubernetes/images.sh python
ARG PYTHON_BASE=docker.io/library/python:3.11-slim-bookworm
ARG PYTHON_RUNTIME_BASE=docker.io/library/python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_BASE} AS build
COPY proto /src/proto
COPY clients/python /src/clients/python
# The wheel's build makes the messages.
RUN python3 -m pip install --quiet --no-cache-dir --target /app /src/clients/python \
    && cp /src/clients/python/example/service.py /app/

# hadolint ignore=DL3006
FROM ${PYTHON_RUNTIME_BASE}
COPY --from=build /app /app
USER 65532:65532
ENTRYPOINT ["python3", "/app/service.py"]
