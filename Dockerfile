# `ggm serve` in a container. docs/serving.md tells how it is run.
#
#   docker build --tag ggm .
#   docker build --tag ggm:cuda --build-arg BASE=nvidia/cuda:13.0.0-base-ubuntu24.04 \
#     --build-arg TORCH_INDEX=https://pypi.org/simple .
#
# Any base of Debian or Ubuntu will do whose Python is 3.10 or later. CUDA's libraries come with PyTorch's wheels.
ARG BASE=ubuntu:24.04

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# `serve,store,ray` for a node of a Ray cluster, `serve,speech,ocr` to read speech and screen text.
ARG EXTRAS=serve,store
# The newest of the distribution: what is pinned is what answers, by constraints.txt.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/ggm
ENV PATH=/opt/ggm/bin:$PATH
WORKDIR /source
# Apart from the package, so that a change of it does not fetch PyTorch again.
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url "${TORCH_INDEX}" torch torchvision
COPY setup.cfg pyproject.toml MANIFEST.in README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 ggm
COPY --from=build /opt/ggm /opt/ggm
ENV PATH=/opt/ggm/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/ggm
EXPOSE 8000
HEALTHCHECK --start-period=120s --interval=10s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["ggm"]
CMD ["serve", "--host", "0.0.0.0"]
