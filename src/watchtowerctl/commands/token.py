"""``watchtowerctl token``: the tokens with which hosts hand in their events."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect, objects, one_object
from watchtowerctl.errors import PROTOCOL, USAGE, CommandError
from watchtowerctl.moments import parse_span, show_text
from watchtowerctl.output import emit, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, help="Make, show and revoke the hosts' tokens.")
STATES = ("active", "expiring", "expired", "revoked")
COLUMNS = ("ID", "Host", "Owner", "State", "Created", "Expires", "Revoked", "Last used")
Hostname = Annotated[str, typer.Argument(metavar="HOST", help="the host's name, as in its events")]


def _complete_state(incomplete: str) -> list[str]:
    return [name for name in STATES if name.startswith(incomplete)]


@app.command()
def create(host: Hostname) -> None:
    """Make a token for a host. It is printed on standard output, this once."""
    _make({"hostname": host})


@app.command()
def rotate(
    host: Hostname,
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap", metavar="TIME", help="how long the host's other tokens are still good"
        ),
    ] = "1d",
) -> None:
    """Make a new token for a host and let its others end. It is printed this once."""
    try:
        seconds = int(parse_span(overlap).total_seconds())
    except ValueError as error:
        raise CommandError(USAGE, f"--overlap: {error}") from None
    _make({"hostname": host, "overlap_seconds": seconds})
    say(f"The other tokens of {host} end in {overlap}: give it the new one before.")


def _make(body: dict[str, object]) -> None:
    api = connect()
    answer = one_object(api.ask("POST", "/admin/tokens", json=body), api.url)
    secret = answer.get("token")
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
        raise CommandError(PROTOCOL, f"{api.url} made no token: see watchtowerctl token list")
    # Alone on standard output: it can go through a pipe to where it is needed, and nowhere else.
    emit(secret + "\n", flush=True)
    say(
        f"Token {answer.get('id')} of {body['hostname']}: its WATCHTOWER_AGENT_TOKEN. It is shown "
        "this once; the collector keeps only its digest."
    )


@app.command(name="list")
def show(
    host: filters.Host = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="STATE", help=", ".join(STATES), autocompletion=_complete_state
        ),
    ] = None,
    json: filters.Json = False,
) -> None:
    """Show the tokens, never their text: the collector does not have it."""
    parameters = [("hostname", name) for name in host or ()]
    parameters += [("state", name) for name in state or ()]
    api = connect()
    found = objects(api.ask("GET", "/admin/tokens", parameters), api.url)
    if json:
        for token in found:
            print_json(token)
        return
    styles = ["dim" if token.get("state") in {"expired", "revoked"} else "" for token in found]
    print_table(COLUMNS, map(_row, found), styles)


def _row(token: dict[str, Any]) -> list[object]:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    names = ("id", "hostname", "owner", "state")
    return [*map(token.get, names), *(show_text(token.get(name)) for name in times)]


@app.command()
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="as token list shows it")],
) -> None:
    """Revoke a token at once. Its host keeps its events until it has another one."""
    connect().ask("DELETE", f"/admin/tokens/{number}", absent=f"there is no token {number}")
    say(f"Token {number} is revoked.")
