#!/usr/bin/python
"""Ansible module: find given SSH logins in the collector's /events."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: watchtower_logins
short_description: Wait until given SSH logins are in the collector's /events
description:
  - Runs on the collector's host and asks through Caddy, with TLS verified for the site's name, so
    that it goes the way every query goes.
  - A login is told by the host it happened on, the time there, and the client's address and port,
    which no other connection of that minute shares.
options:
  site:
    description: The site's name, which the certificate must carry.
    type: str
    required: true
  ca_certificate:
    description: The CA to trust (PEM); without it the host's own store.
    type: str
  admin_api_key:
    description: The collector's admin key.
    type: str
    required: true
  logins:
    description: The logins, each with C(host) (its name in the inventory), C(hostname), C(time)
      (soon after the login, by the host's clock, in seconds since 1970), C(source_ip) and
      C(source_port).
    type: list
    elements: dict
    required: true
  timeout:
    description: For how many seconds to look for them.
    type: int
    default: 60
"""

RETURN = r"""
found: {description: The hosts whose login is there., type: list, returned: always}
missing: {description: The hosts whose login is not., type: list, returned: always}
trouble: {description: Why the collector could not be asked., type: str, returned: always}
"""

POLL_SECONDS = 1.0
# From "Accepted" to the session's first word: homes are mounted there, messages of the day made.
SESSION_SECONDS = 60
PORT = 443
# What waiting does not mend, with the way out.
FINAL = {
    401: (
        "the admin key of this inventory is not the collector's; playbooks/collector.yml gives it "
        "the one of the inventory"
    ),
    404: (
        "the collector's own host may not ask; add 127.0.0.0/8 to watchtower_caddy_admin_networks"
    ),
}


class RefusedError(Exception):
    """The collector will not answer, however long one waits; the message says why."""


class SiteConnection(http.client.HTTPSConnection):
    """HTTPS to this very host, with the certificate checked for the site's name."""

    def __init__(self, site: str, context: ssl.SSLContext) -> None:
        super().__init__(site, PORT, timeout=10, context=context)
        self.tls = context

    def connect(self) -> None:
        """Connect to loopback; where the name leads from here is not the question."""
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


def events(connection: SiteConnection, key: str, **filters: str) -> list[dict[str, object]]:
    """Ask ``/events`` once.

    Raises:
        OSError: no connection, or a certificate that does not verify.
        ValueError: an answer other than 200 that may pass.
        RefusedError: one that will not.
    """
    connection.request("GET", f"/events?{urlencode(filters)}", headers={"X-Admin-Api-Key": key})
    response = connection.getresponse()
    body = response.read()
    if response.status in FINAL:
        raise RefusedError(f"/events answered {response.status}: {FINAL[response.status]}")
    if response.status != 200:
        said = body[:300].decode(errors="replace")
        raise ValueError(f"/events answered {response.status}: {said}")
    found: list[dict[str, object]] = json.loads(body)
    return found


def is_there(connection: SiteConnection, key: str, login: dict[str, str]) -> bool:
    """Tell whether one login has arrived."""
    filters = {name: login[name] for name in ("hostname", "source_ip")}
    since = datetime.fromtimestamp(int(login["time"]) - SESSION_SECONDS, UTC).isoformat()
    found = events(connection, key, type="login", since=since, limit="1000", **filters)
    return any(str(event.get("source_port")) == str(login["source_port"]) for event in found)


def search(module: AnsibleModule) -> tuple[list[dict[str, str]], str]:
    """Look for the logins until all are there or the time is over.

    Returns the missing logins and the last error, if the collector could not be asked.
    """
    parameters = module.params
    missing, trouble = list(parameters["logins"]), ""
    try:
        context = ssl.create_default_context(cadata=parameters["ca_certificate"])
    except ssl.SSLError as error:
        return missing, f"the CA certificate to trust cannot be read: {error}"
    deadline = time.monotonic() + parameters["timeout"]
    while True:
        connection = SiteConnection(parameters["site"], context)
        try:
            # One by one: what was found stays found when a later question fails.
            for login in list(missing):
                if is_there(connection, parameters["admin_api_key"], login):
                    missing.remove(login)
            trouble = ""
        except RefusedError as error:
            return missing, str(error)
        except (OSError, ValueError, http.client.HTTPException) as error:
            trouble = str(error)
        finally:
            connection.close()
        if not missing or time.monotonic() > deadline:
            return missing, trouble
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "ca_certificate": {"type": "str"},
            "admin_api_key": {"type": "str", "required": True, "no_log": True},
            "logins": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    missing, trouble = search(module)
    absent = [login["host"] for login in missing]
    found = [login["host"] for login in module.params["logins"] if login not in missing]
    module.exit_json(changed=False, found=found, missing=absent, trouble=trouble)


if __name__ == "__main__":
    main()
