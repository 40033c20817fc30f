"""`datahub completion`: what makes a shell complete commands, options, and ids of the exchange."""

import click

from datahub.cli.remote import examples


@click.command(
    name="completion",
    epilog=examples("datahub completion bash > datahub.bash"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and ids; put it where your shell reads such things.

    \b
    bash: eval "$(datahub completion bash)"   in ~/.bashrc
    zsh:  eval "$(datahub completion zsh)"    in ~/.zshrc
    fish: datahub completion fish | source    in ~/.config/fish/config.fish
    """  # noqa: D301 — click takes a real \b for "keep these lines"
    from click.shell_completion import get_completion_class

    from datahub.cli import main

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"No completion for {shell}.")
    click.echo(kind(main, {}, "datahub", "_DATAHUB_COMPLETE").source())
