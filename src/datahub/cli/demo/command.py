"""`datahub demo`: the whole story on this machine, each step a real call over HTTP."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datahub.cli.demo.folder import NotOurFolder, prepare

if TYPE_CHECKING:
    from threading import Event

    from datahub.cli.demo.cast import Cast
    from datahub.cli.demo.show import Stage

_INTERRUPTED = 130
_OPENING = (
    "Four organisations of a region and a small app share data, each on its own terms.",
    "Every call below is real; organisations, people and data are made up.",
    "Ids are shortened to their last six characters.",
)


@click.command()
@click.option("--once", is_flag=True, help="End after the story instead of keeping on serving.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    help="Folder for the demo; made new, or cleared when an earlier demo made it.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on. [default: 8000, or a free one]"
)
def demo(home: Path, port: int | None, *, once: bool) -> None:
    """Tell the whole story with real calls on this machine.

    Starts an exchange on SQLite in a folder of its own, plays four organisations of a made-up region, shows every
    call and its answer, and keeps serving until Ctrl-C. Ends with 1 when a step is not answered as the story expects.

    \b
    Examples:
      datahub demo
      datahub demo --once | less
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    home = home.absolute()
    try:
        was_there = prepare(home)
    except NotOurFolder as fault:
        raise click.ClickException(f"{fault}. Choose another with --home.") from fault
    try:
        _run(home, port, was_there=was_there, once=once)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run(home: Path, port: int | None, *, was_there: bool, once: bool) -> None:
    from datahub.cli.demo import server
    from datahub.cli.demo.caller import Caller
    from datahub.cli.demo.cast import Cast
    from datahub.cli.demo.ending import point_onwards
    from datahub.cli.demo.show import Stage
    from datahub.cli.demo.teller import StoryBroke

    stage = Stage()
    stage.title("Datahub: a data exchange for the region of Veenmeer", *_OPENING)
    try:
        listener = server.listen(port)
        settings = server.settings_for(home, listener)
        stage.line()
        stage.hint("folder", f"{home}{' (cleared: the story starts anew)' if was_there else ''}")
        stage.hint("exchange", settings.base_url)
        founded = server.found(settings)
        cast = Cast(Caller("exchange, administrator", founded.client_id, founded.client_secret))
        with server.running(settings, listener) as stopped:
            calls = _tell(stage, cast, settings.base_url)
            point_onwards(stage, cast, home, settings.base_url, calls)
            if not once:
                _serve_on(stage, stopped)
    except server.DidNotStart as fault:
        raise click.ClickException(str(fault)) from fault
    except StoryBroke as fault:
        log = home / "server.log"
        raise click.ClickException(
            f"{fault}. What the server had to say, if anything, is in {log}"
        ) from fault


def _serve_on(stage: "Stage", stopped: "Event") -> None:
    import signal

    for name in (signal.SIGINT, signal.SIGTERM):
        # Said aloud, because a program started in the background may have been told to ignore Ctrl-C.
        signal.signal(name, signal.default_int_handler)
    stage.line("\nServing until you press Ctrl-C.", "bold")
    try:
        stopped.wait()
    except KeyboardInterrupt:
        # Asked for, so it is a good end.
        stage.line("\nStopping. The folder stays until the next demo.")


def _tell(stage: "Stage", cast: "Cast", base_url: str) -> int:
    from datahub.cli.demo.acts import ACTS
    from datahub.cli.demo.teller import Teller

    with Teller(stage, base_url) as teller:
        for act in ACTS:
            act(teller, cast)
        return teller.calls
