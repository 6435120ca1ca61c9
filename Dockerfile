# syntax=docker/dockerfile:1
# Images of LensNet Stream. One target each (not built here, for want of a container engine; a test runs the RUN lines
# of every target's environment as they stand, in a clean folder):
#
#   docker build --target cpu   -t lensnet/stream-worker:0.1.0-cpu .
#   docker build --target gpu   -t lensnet/stream-worker:0.1.0-gpu .
#   docker build --target train -t lensnet/train:0.1.0 .
#   docker build --target sbom  --output type=local,dest=sbom .     # CycloneDX, one file per environment
#
# Reproducible builds pin the base by digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

# --- environments: everything is a wheel, the compiler of our own loops too: no stage needs one, no image has it ----
FROM ${BASE} AS build
ENV VENV=/opt/lensnet UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 PATH=/opt/uv/bin:$PATH
WORKDIR /src
COPY requirements.lock requirements-gpu.lock ./
RUN python -m venv /opt/uv && /opt/uv/bin/python -m pip install -q --no-cache-dir "$(sed -nE 's/^(uv==[0-9.]+).*/\1/p' requirements.lock)"
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY schemas schemas
COPY stream_worker stream_worker
COPY model_build model_build

# uv verifies the hashes that the lock file gives for what it takes from it
FROM build AS cpu-environment
RUN uv venv -q "$VENV"
RUN uv pip install -q --python "$VENV/bin/python" --only-binary :all: --no-binary lensnet --constraint requirements.lock --build-constraint requirements.lock ".[cpu,otel]"
RUN "$VENV/bin/stream-worker" --version

# onnxruntime-gpu brings CUDA 13 and cuDNN 9 as wheels: the node gives the driver, the image no other CUDA
FROM build AS gpu-environment
RUN uv venv -q "$VENV"
RUN uv pip install -q --python "$VENV/bin/python" --only-binary :all: --no-binary lensnet --constraint requirements-gpu.lock --build-constraint requirements.lock ".[gpu,otel]"
RUN "$VENV/bin/stream-worker" --version

FROM build AS train-environment
RUN uv venv -q "$VENV"
RUN uv pip install -q --python "$VENV/bin/python" --only-binary :all: --no-binary lensnet --constraint requirements.lock --build-constraint requirements.lock ".[cpu,otel,replay,train]"
RUN "$VENV/bin/model-build" --version

# --- bills of materials ---------------------------------------------------------------------------------------------
FROM build AS sbom-build
COPY --from=cpu-environment /opt/lensnet /opt/cpu
COPY --from=gpu-environment /opt/lensnet /opt/gpu
COPY --from=train-environment /opt/lensnet /opt/train
RUN uv tool install -q --python /usr/local/bin/python3 "cyclonedx-bom>=7,<8"
RUN mkdir /sbom && for name in cpu gpu train; do \
      /root/.local/bin/cyclonedx-py environment --of JSON -o "/sbom/lensnet-$name.cdx.json" "/opt/$name/bin/python"; done

FROM scratch AS sbom
COPY --from=sbom-build /sbom /

# --- images ---------------------------------------------------------------------------------------------------------
FROM ${BASE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="LensNet Stream" \
      org.opencontainers.image.description="Finds gravitational microlensing events in the alert stream of a sky survey" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 lensnet && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin lensnet \
    && python -m pip uninstall -q -y pip
# the root is read-only: nothing is written but into /tmp
ENV PATH=/opt/lensnet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /tmp
USER 10001:10001

FROM runtime AS train
COPY --from=train-environment /opt/lensnet /opt/lensnet
ENTRYPOINT ["model-build"]
CMD ["--help"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=gpu-environment /opt/lensnet /opt/lensnet
EXPOSE 9108
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/livez', timeout=3)"]
ENTRYPOINT ["stream-worker"]
CMD ["--help"]

# the last target is the one that is built without --target
FROM runtime AS cpu
COPY --from=cpu-environment /opt/lensnet /opt/lensnet
EXPOSE 9108
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/livez', timeout=3)"]
ENTRYPOINT ["stream-worker"]
CMD ["--help"]
