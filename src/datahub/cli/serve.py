"""Commands that keep running: `serve`, `worker` and `sequencer`."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from threading import Event

    from starlette.types import ASGIApp

    from datahub.kernel.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Server processes.")
@click.option(
    "--with-worker/--without-worker",
    default=True,
    show_default=True,
    help="Run the worker in this process too.",
)
def serve(host: str, port: int, workers: int, *, with_worker: bool) -> None:
    """Run the exchange's HTTP server.

    With more than one process, run `datahub worker` beside it and pass --without-worker.

    \b
    Example:
      DATAHUB_HOME=./region datahub serve --port 8000
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    from urllib.parse import urlsplit

    import uvicorn

    from datahub.kernel.settings import Settings, is_loopback

    settings = Settings()
    _must_be_ready(settings)
    if is_loopback(urlsplit(settings.base_url).hostname or "") and urlsplit(settings.base_url).port != port:
        click.echo(
            f"Tokens are issued for {settings.base_url}; set DATAHUB_BASE_URL=http://{host}:{port}", err=True
        )
    stop = _start_worker() if with_worker and workers == 1 else None
    if with_worker:
        stop = stop or _new_event()
        _keep_sequencer(stop)
    uvicorn.run(
        "datahub.cli.serve:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=_protocol(),
        server_header=False,
        access_log=False,
        date_header=True,
        log_level="warning",
        timeout_graceful_shutdown=30,
    )
    if stop is not None:
        stop.set()


@click.command()
def worker() -> None:
    """Run what the clock and the outbox ask for: deadlines, expiry, key rotation, messages.

    Stops after its present task on SIGTERM or Ctrl-C; running two does no harm.
    """
    import signal
    from threading import Event

    import datahub.worker
    from datahub.kernel.settings import Settings

    settings = Settings()
    _must_be_ready(settings)
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    click.echo("Working; Ctrl-C ends.", err=True)
    _keep_sequencer(stop)
    datahub.worker.run(settings, stop)


@click.command()
@click.option(
    "--until-eof", is_flag=True, hidden=True, help="End when stdin ends: a child that outlives nobody."
)
def sequencer(*, until_eof: bool) -> None:
    """Put log entries into the log's tree, and sign its head.

    `serve` and `worker` run it by themselves. One works at a time; another waits to take over.

    \b
    Example:
      datahub sequencer
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    import logging
    import signal
    import sys
    from threading import Event, Thread

    from datahub.audit import prepare_process, run_sequencer
    from datahub.kernel.clock import system_clock
    from datahub.kernel.settings import Settings

    settings = Settings()
    _must_be_ready(settings)
    logging.basicConfig(level=logging.WARNING)
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if until_eof:

        def wait_for_end() -> None:
            sys.stdin.read()
            stop.set()

        Thread(target=wait_for_end, daemon=True).start()
    prepare_process()
    run_sequencer(settings, stop, system_clock)


def _protocol() -> str:
    """Return which protocol uvicorn speaks: ours where its parser is there, which it is not on every platform."""
    from importlib.util import find_spec

    return "datahub.kernel.rest.one_write:OneWrite" if find_spec("httptools") else "auto"


def application() -> "ASGIApp":
    """Return the app of one server process, from its settings."""
    from datahub.app import create_app
    from datahub.audit import settle_garbage
    from datahub.kernel.settings import Settings

    app = create_app(Settings())
    settle_garbage()
    return app


def _start_worker() -> "Event":
    from threading import Event, Thread

    import datahub.worker
    from datahub.kernel.settings import Settings

    stop = Event()
    Thread(target=datahub.worker.run, args=(Settings(), stop), daemon=True, name="worker").start()
    return stop


def _new_event() -> "Event":
    from threading import Event

    return Event()


def _keep_sequencer(stop: "Event") -> None:
    """Run the sequencer in a process of its own until `stop`, and again should it end: it computes, we answer."""
    import subprocess
    import sys
    from threading import Thread

    def keep() -> None:
        while not stop.is_set():
            command = [sys.executable, "-m", "datahub", "sequencer", "--until-eof"]
            with subprocess.Popen(command, stdin=subprocess.PIPE) as child:  # noqa: S603 — this very program
                while child.poll() is None and not stop.wait(0.5):
                    pass
            stop.wait(1.0)

    Thread(target=keep, daemon=True, name="sequencer").start()


def _must_be_ready(settings: "Settings") -> None:
    from sqlalchemy.exc import OperationalError

    from datahub import migrations
    from datahub.audit import check_at_boot
    from datahub.kernel import db

    engine = db.make_engine(settings.database_url)
    try:
        if not migrations.is_made(engine):
            hint = f"there is no exchange in {settings.home} yet: run `datahub init` first"
            raise click.ClickException(hint)
        fault = migrations.fault(engine)
        if fault is not None:
            hint = "stop what uses it, back it up, and run `datahub migrate`"
            raise click.ClickException(f"the database in {settings.home} cannot be used yet: {fault}; {hint}")
        settings.derive_key("page-cursor")
        check_at_boot(engine, settings)
    except OperationalError as refused:
        said = " ".join(str(refused.orig).split())
        hint = "does it run, and does DATAHUB_DATABASE_URL name it?"
        raise click.ClickException(f"the database cannot be opened: {said}; {hint}") from refused
    except RuntimeError as refused:
        raise click.ClickException(str(refused)) from refused
    finally:
        engine.dispose()
