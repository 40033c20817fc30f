"""Commands that set the exchange up: `init`, `migrate`, `openapi`."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datahub.participants import Scheme

from datahub.kernel.settings import MASTER_KEY_BYTES, Settings

_SCHEMES = ("kvk", "oin", "eori", "lei", "did")


@click.command()
@click.option("--name", default="Datahub", show_default=True, help="Name of the exchange's own organisation.")
@click.option("--slug", default="exchange", show_default=True, help="Its short name, used in addresses.")
@click.option(
    "--email", default="operators@example.org", show_default=True, help="Where to reach its operators."
)
@click.option(
    "--identifier",
    "identifiers",
    multiple=True,
    metavar="SCHEME=VALUE",
    help="e.g. kvk=34366966; repeatable.",
)
@click.option(
    "--another-admin", is_flag=True, help="Make one more admin client, when the first secret is lost."
)
def init(name: str, slug: str, email: str, identifiers: tuple[str, ...], *, another_admin: bool) -> None:
    """Make the exchange: database, keys, its own organisation, and the first admin client.

    Prints the client's secret once; it is stored only as a hash. Run again, it changes nothing.

    \b
    Example:
      datahub init --name "Regional exchange" --slug region --email ops@region.example
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    from datahub import migrations
    from datahub.kernel import db
    from datahub.kernel.clock import system_clock
    from datahub.kernel.context import Actor, Context
    from datahub.kernel.ids import new_id
    from datahub.oauth import Profile, Registration, add_secret, register_client, rotate_keys
    from datahub.participants import Application, Role, found_exchange, the_exchange

    settings = Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    _ensure_master_key(settings)
    engine = db.make_engine(settings.database_url)
    migrations.upgrade(engine)
    with db.transaction(engine) as session:
        founder = Actor(client_id="datahub init", roles=frozenset({Role.ADMIN}), is_exchange=True)
        ctx = Context(session, founder, system_clock(), new_id().replace("-", ""), settings)
        exchange = the_exchange(session)
        if exchange is not None and not another_admin:
            click.echo(f"The exchange is there already, in {settings.home}; nothing was changed.", err=True)
            click.echo("Lost the secret? datahub init --another-admin", err=True)
            return
        if exchange is None:
            exchange = found_exchange(ctx, Application(name, slug, email, _identifiers(identifiers)))
            rotate_keys(ctx)
        admin = Registration("admin", Profile.BASIC, [Role.ADMIN, Role.AUDITOR], exchange.id)
        client = register_client(ctx, admin)
        secret = add_secret(ctx, client.id)
    engine.dispose()
    click.echo(f"Exchange   {exchange.name} ({exchange.slug}) in {settings.home}", err=True)
    click.echo("An admin client; its secret is shown once and kept only as a hash:\n", err=True)
    click.echo(f"client_id={client.id}\nclient_secret={secret.text}")
    click.echo("\nNext: datahub serve, then see /docs on it.", err=True)


@click.command()
@click.option("--check", is_flag=True, help="Only tell whether the migrations lead to exactly the models.")
def migrate(*, check: bool) -> None:
    """Bring the database to the newest schema.

    With --check, works on a scratch database and fails when a model has no migration.
    """
    import tempfile

    from alembic.util.exc import CommandError

    from datahub import migrations
    from datahub.kernel import db

    if not check:
        settings = Settings()
        settings.home.mkdir(parents=True, exist_ok=True)
        migrations.upgrade(db.make_engine(settings.database_url))
        click.echo("The schema is the newest.", err=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        engine = db.make_engine(f"sqlite:///{folder}/scratch.db")
        migrations.upgrade(engine)
        try:
            migrations.check(engine)
        except CommandError as fault:
            click.echo(str(fault), err=True)
            sys.exit(1)
    click.echo("The migrations lead to exactly the models.", err=True)


@click.command()
def openapi() -> None:
    """Print the OpenAPI document as published.

    The same on every machine: it depends on the code alone, not on the settings in force.
    """
    import orjson

    from datahub.app import build

    settings = Settings.model_construct(**{n: f.default for n, f in Settings.model_fields.items()})
    document = build(settings.model_copy(update={"database_url": "sqlite://"})).state.openapi.published
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())


def _ensure_master_key(settings: Settings) -> None:
    import base64
    import os
    import secrets

    if settings.master_key.get_secret_value() or settings.master_key_path.exists():
        return
    key = base64.urlsafe_b64encode(secrets.token_bytes(MASTER_KEY_BYTES))
    handle = os.open(settings.master_key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    click.echo(
        f"Master key  {settings.master_key_path} (keep a copy: without it the keys cannot be read)", err=True
    )


def _identifiers(pairs: tuple[str, ...]) -> "Mapping[Scheme, str]":
    from datahub.participants import Scheme

    found = {}
    for pair in pairs:
        scheme, _, value = pair.partition("=")
        if scheme not in _SCHEMES or not value:
            hint = f"{pair!r} is not SCHEME=VALUE with SCHEME one of {', '.join(_SCHEMES)}"
            raise click.BadParameter(hint, param_hint="--identifier")
        found[Scheme(scheme)] = value
    return found
