# docker build --tag lrfind . && docker run --rm --volume "$PWD:/work" lrfind run configs/digits.yaml
FROM python:3.12-slim
WORKDIR /lrfind
COPY pyproject.toml README.md LICENSE ./
COPY lrfind lrfind
ARG EXTRAS=vision
RUN pip install --no-cache-dir ".[$EXTRAS]"
ENV HOME=/tmp MPLBACKEND=agg
WORKDIR /work
ENTRYPOINT ["lrfind"]
