# The exchange in one image: `serve` by default, `worker`, `migrate` or `init` when asked.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir "uv>=0.9"
WORKDIR /build
ENV UV_PROJECT_ENVIRONMENT=/opt/datahub UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
# The libraries first: they change less often than the code and stay cached.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --extra all --no-default-groups --no-install-project
COPY README.md LICENSE ./
COPY policies policies
COPY src src
RUN uv sync --frozen --extra all --no-default-groups --no-editable

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin datahub \
    && install --directory --owner=datahub --group=datahub --mode=0700 /data
COPY --from=build /opt/datahub /opt/datahub
ENV PATH=/opt/datahub/bin:$PATH PYTHONUNBUFFERED=1 DATAHUB_HOME=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["datahub"]
CMD ["serve", "--host=0.0.0.0"]
