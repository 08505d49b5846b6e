#!/usr/bin/python
"""Ansible module: make the tokens of hosts known to the collector."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: watchtower_tokens
short_description: Make the tokens of hosts known to the collector
description:
  - Runs on the collector's host and asks the collector itself, on loopback. The collector gets
    digests, no tokens.
  - A token that it knows already stays as it is, and is good without end again where it was to
    expire. A token that was revoked stays so, and is told in C(refused); the others are registered
    all the same.
options:
  port:
    description: The port on loopback that the collector listens on.
    type: int
    required: true
  admin_api_key:
    description: The collector's admin key.
    type: str
    required: true
  tokens:
    description: What is to be known.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The host's name in the inventory.
        type: str
        required: true
      hostname:
        description: The name that its events carry.
        type: str
        required: true
      token_sha256:
        description: The SHA-256 of its token, in hexadecimal.
        type: str
        required: true
      overlap_seconds:
        description: For how many seconds the other tokens of that name are still good.
        type: int
        required: true
"""

RETURN = r"""
created:
  description: The hosts whose token is known now and was not before.
  type: list
  returned: always
refused:
  description: The hosts whose token is not taken, with the collector's reason.
  type: dict
  returned: always
"""

MOST = 1000  # tokens in one request
# The collector may be in the middle of a restart.
ATTEMPTS = 15
PAUSE_SECONDS = 2.0
# Too much to write, or a disk in trouble.
WAIT = (503,)
WRONG_KEY = (
    "the admin key of this inventory is not the collector's; playbooks/collector.yml gives it the "
    "one of the inventory"
)
HINTS = {
    401: WRONG_KEY,
    429: WRONG_KEY,  # one of many: a right one is taken whatever came before
    404: "it is of a version that knows no tokens of hosts; run playbooks/collector.yml first",
}


class NoAnswerError(Exception):
    """The collector did nothing of what was asked; the message says why and what to do."""


def ask(port: int, key: str, body: str) -> tuple[int, dict[str, Any]]:
    """Post to ``/admin/tokens`` and return the status and the answer.

    Raises:
        OSError, http.client.HTTPException: there is no answer.
        TypeError, ValueError: it is no JSON object.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"X-Admin-Api-Key": key, "Content-Type": "application/json"}
    try:
        connection.request("POST", "/admin/tokens", body, headers)
        response = connection.getresponse()
        return response.status, dict(json.loads(response.read()))
    finally:
        connection.close()


def insist(port: int, key: str, body: str) -> tuple[int, dict[str, Any]]:
    """Ask until there is an answer that waiting does not change, and return it.

    Raises:
        NoAnswerError: there is none.
    """
    trouble = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            status, answer = ask(port, key, body)
        except (OSError, TypeError, ValueError, http.client.HTTPException) as error:
            trouble = str(error) or type(error).__name__
            continue
        if status not in WAIT:
            return status, answer
        trouble = f"it answered {status}: {message_of(answer)}"
    raise NoAnswerError(
        f"the collector takes no tokens at 127.0.0.1:{port} ({trouble}); see there: "
        "systemctl status watchtower-collector, journalctl -u watchtower-collector -n 20"
    )


def message_of(answer: dict[str, Any]) -> str:
    """Return what the collector says is wrong."""
    error = answer.get("error")
    return str(error.get("message")) if isinstance(error, dict) else json.dumps(answer)[:300]


def register(
    port: int, key: str, tokens: list[dict[str, Any]]
) -> tuple[list[str], dict[str, str]]:
    """Register tokens; return the hosts whose token is new, and the reasons of those refused.

    A request is done as a whole or not at all: what is refused is left out, and the rest sent
    again.

    Raises:
        NoAnswerError: some are not registered, for a reason that concerns all.
    """
    created, refused = [], {}
    waiting = list(tokens)
    while waiting:
        some = waiting[:MOST]
        # What a host is called in the inventory is the operator's word, not the host's own: no
        # other host of the inventory gets its name, whatever it calls itself.
        wanted = [
            {"owner" if name == "host" else name: value for name, value in one.items()}
            for one in some
        ]
        status, answer = insist(port, key, json.dumps(wanted))
        if status == 201:
            results = zip(some, answer["results"], strict=True)
            created += [one["host"] for one, done in results if done["created"]]
            waiting = waiting[MOST:]
            continue
        faulty = answer["error"].get("token") if status in (409, 422) else None
        if faulty is None:
            hint = HINTS.get(status, message_of(answer))
            raise NoAnswerError(f"the collector takes no tokens (status {status}): {hint}")
        refused[waiting.pop(faulty)["host"]] = message_of(answer)
    return created, refused


def main() -> None:
    """Run as an Ansible module."""
    wanted = {
        "host": {"type": "str", "required": True},
        "hostname": {"type": "str", "required": True},
        # Whoever chose a weak token should not find its digest in a log.
        "token_sha256": {"type": "str", "required": True, "no_log": True},
        "overlap_seconds": {"type": "int", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int", "required": True},
            "admin_api_key": {"type": "str", "required": True, "no_log": True},
            "tokens": {"type": "list", "elements": "dict", "required": True, "options": wanted},
        },
    )
    parameters = module.params
    try:
        created, refused = register(
            parameters["port"], parameters["admin_api_key"], parameters["tokens"]
        )
    except NoAnswerError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(created), created=created, refused=refused)


if __name__ == "__main__":
    main()
