"""`datahub log restart`: what to do when the database was restored from a backup."""

import click


@click.command()
@click.option("--reason", required=True, help="Why; it stands in the new log's first entry, for everybody.")
def restart(reason: str) -> None:
    """Close the present log and open a new one, whose first entry commits to the old one's last checkpoint.

    Needed only when the exchange refuses to start because a larger or another tree was signed than the database
    holds: after a restore from a backup. Verifiers see the gap; it cannot be hidden. Stop the exchange first.

    \b
    Example:
      datahub log restart --reason "restored the backup of 1 June after a disk failure"
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    from datahub.audit import restart_log
    from datahub.kernel import db
    from datahub.kernel.clock import system_clock
    from datahub.kernel.settings import Settings

    settings = Settings()
    engine = db.make_engine(settings.database_url)
    try:
        log, entry = restart_log(engine, settings, system_clock(), reason)
    except RuntimeError as fault:
        raise click.ClickException(str(fault)) from fault
    finally:
        engine.dispose()
    click.echo(f"{log.origin} is open; its first entry is {entry.id}.")
