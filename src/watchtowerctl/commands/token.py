"""``watchtowerctl token``: the tokens with which hosts hand in their events."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect, objects, one_object
from watchtowerctl.command import Command
from watchtowerctl.documents import print_documents
from watchtowerctl.errors import ABSENT, PROTOCOL, USAGE, CommandError
from watchtowerctl.event_row import word
from watchtowerctl.moments import local, parse_span, show_text
from watchtowerctl.output import emit, say
from watchtowerctl.table import print_table

if TYPE_CHECKING:
    from watchtowerctl.api import Api

app = typer.Typer(no_args_is_help=True, help="Make, show and revoke the hosts' tokens.")
STATES = ("active", "expiring", "expired", "revoked")
LONGEST_OVERLAP = timedelta(days=366)  # the collector's bound
COLUMNS = ("ID", "Host", "Owner", "State", "Created", "Expires", "Revoked", "Last used")
FIELDS = (
    "id",
    "hostname",
    "owner",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
    "state",
)
Hostname = Annotated[str, typer.Argument(metavar="HOST", help="the host's name, as in its events")]


def _complete_state(incomplete: str) -> list[str]:
    return [name for name in STATES if name.startswith(incomplete)]


@app.command(cls=Command)
def create(host: Hostname) -> None:
    """Make a token for a host. It is printed on standard output, this once."""
    _make(connect(), {"hostname": host})


@app.command(cls=Command)
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
        span = parse_span(overlap)
    except ValueError as error:
        raise CommandError(USAGE, f"--overlap: {error}") from None
    if span > LONGEST_OVERLAP:
        longest = LONGEST_OVERLAP.days
        raise CommandError(USAGE, f"--overlap: {overlap!r} is longer than {longest}d")
    api = connect()
    before = _good_tokens(api, host)
    if not before:
        raise CommandError(
            ABSENT,
            f"{host} has no token that is good, so there is none to replace: is the name right? "
            "watchtowerctl token list shows the tokens, watchtowerctl token create makes a first",
        )
    _make(api, {"hostname": host, "overlap_seconds": int(span.total_seconds())})
    after = _good_tokens(api, host)
    for number in before:
        if number in after:
            say(f"Token {number} ends at {after[number]}: give {host} the new one before.")
        else:
            say(f"Token {number} has ended: {host} keeps its events until it has the new one.")


def _good_tokens(api: Api, host: str) -> dict[str, str]:
    """Return the ids of a host's tokens that are accepted now, and when each ends."""
    # The name itself, also one that ends in what would stand for any text.
    parameters = [("hostname", host.replace("*", "[*]")), ("state", "active")]
    document = api.ask("GET", "/admin/tokens", [*parameters, ("state", "expiring")])
    tokens = objects(document, api.url)
    return {str(token.get("id")): show_text(token.get("expires_at")) for token in tokens}


def _make(api: Api, body: dict[str, object]) -> None:
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


@app.command(name="list", cls=Command)
def show(
    host: filters.Host = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="STATE", help=", ".join(STATES), autocompletion=_complete_state
        ),
    ] = None,
    json: filters.Json = False,
    csv: filters.Csv = False,
) -> None:
    """Show the tokens, never their text: the collector does not have it."""
    filters.check_form(json=json, csv=csv)
    parameters = [("hostname", name) for name in host or ()]
    parameters += [("state", name) for name in state or ()]
    api = connect()
    found = objects(api.ask("GET", "/admin/tokens", parameters), api.url)
    if json or csv:
        print_documents(found, FIELDS, as_csv=csv)
        return
    styles = ["dim" if token.get("state") in {"expired", "revoked"} else "" for token in found]
    print_table(COLUMNS, map(_row, found), styles)


def _row(token: dict[str, Any]) -> list[object]:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    names = ("hostname", "owner", "state")
    return [
        token.get("id"),
        *(word(token.get(name)) for name in names),
        *(local(token.get(name)) for name in times),
    ]


@app.command(cls=Command)
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="as token list shows it")],
) -> None:
    """Revoke a token at once. Its host keeps its events until it has another one."""
    connect().ask("DELETE", f"/admin/tokens/{number}", absent=f"there is no token {number}")
    say(f"Token {number} is revoked.")
