"""What the hosts need: accounts, keys, rules of PAM's, names."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from host import PASSWORD

if TYPE_CHECKING:
    from cast import Cast
    from host import Host

# name: login shell and number, of the user and of the group; all have the same password.
ACCOUNTS = {
    "alice": ("/bin/sh", 2001),
    "bob": ("/bin/sh", 2002),
    "carol": ("/bin/sh", 2003),
    "dave": ("/bin/sh", 2004),
    "erin": ("/bin/sh", 2005),
    "frank": ("/bin/sh", 2006),
    "grace": ("/bin/sh", 2007),
    "heidi": ("/bin/sh", 2008),  # expired
    "ivan": ("/bin/sh", 2009),  # refused by pam_access
    "judy": ("/nonexistent", 2010),
    "kim": ("/etc/passwd", 2011),
    "liam": ("/bin/sh", 2012),  # locked
    "mia": ("/bin/sh", 54321),  # her group does not exist
    "nick": ("/bin/sh", 2014),  # no password
    "olivia": ("/bin/sh", 2015),  # must choose a new password
    "oscar": ("/bin/sh", 2019),  # has no home
    r"corp\alice": ("/bin/sh", 2016),
    "anna maria": ("/bin/sh", 2017),
    "jürgen": ("/bin/sh", 2018),
}
_HOSTS = """\
127.0.0.1 localhost
::1 localhost
127.0.0.9 client.example.org
127.0.0.12 192.0.2.1
"""


def furnish(host: Host, cast: Cast) -> None:
    """Make the accounts and files that the situations need; an earlier run's are replaced."""
    done = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True
    )
    hashed = done.stdout.strip()
    accounts = [
        {
            "name": name,
            "shell": shell,
            "number": number,
            "password": {"nick": "", "liam": f"!{hashed}"}.get(name, hashed),
            "changed": 0 if name == "olivia" else 20000,
            "expires": "1" if name == "heidi" else "",
        }
        for name, (shell, number) in ACCOUNTS.items()
    ]
    accounts.append({"name": "root", "password": hashed})
    script = Path(__file__).with_name("make_accounts.py").read_bytes()
    host.run("python3", "-", json.dumps(accounts), data=script)
    lines = {name: key.line for name, key in cast.keys.items()}
    mine = "\n".join(
        lines[name] for name in ("ed25519", "rsa", "ecdsa", "fido", "revoked", "short")
    )
    for user, text in {
        "alice": mine,
        "carol": f"verify-required {lines['fido']}",
        "dave": f'from="192.0.2.1" {lines["ed25519"]}',
        "erin": f"no-such-option {lines['ed25519']}",
        **dict.fromkeys(("frank", "grace", "heidi", "ivan", "liam", "olivia"), lines["ed25519"]),
        "root": lines["ed25519"],
    }.items():
        home = "/root" if user == "root" else f"/home/{user}"
        host.shell(f"install -d -m 0700 -o {user} '{home}/.ssh'")
        host.write(f"{home}/.ssh/authorized_keys", text + "\n", "0600")
        host.shell(f"chown {user} '{home}/.ssh/authorized_keys'")
    host.shell(
        "chmod 0777 /home/frank/.ssh /home/bob; chmod 0666 /home/grace/.ssh/authorized_keys"
    )
    host.shell("install -m 0666 /dev/null /home/frank/.shosts; rm -rf /home/oscar")
    host.shell("install -m 0666 /dev/null /home/grace/.ssh/known_hosts")
    host.write("/etc/ssh/user_ca.pub", f"{lines['user_ca']}\n{lines['rsa_ca']}\n")
    host.write("/etc/ssh/revoked", f"{lines['revoked']}\n")
    host.write("/etc/ssh/principals", "somebody\n")
    host.write("/etc/ssh/principals_elsewhere", 'from="192.0.2.1" alice\n')
    known = f"client.example.org,guest.example.org {lines['client_host']}"
    revoked = f"@revoked thief.example.org {lines['client_host']}"
    authority = f"@cert-authority *.certified.example.org {lines['user_ca']}"
    host.write("/etc/ssh/ssh_known_hosts", f"{known}\n{revoked}\n{authority}\n")
    names = ("client.example.org", "thief.example.org", "a.certified.example.org")
    host.write("/etc/ssh/shosts.equiv", "".join(f"{name}\n" for name in names))
    host.write("/etc/hosts", _HOSTS)
    # Otherwise every wrong password takes two seconds.
    host.shell(
        "sed -i 's/pam_unix.so \\(nodelay \\)\\?/pam_unix.so nodelay /' /etc/pam.d/common-auth"
    )
    host.shell("sed -i 's/^# *\\(account.*pam_access.so\\)/\\1/' /etc/pam.d/sshd")
    host.write("/etc/security/access.conf", "-:ivan:ALL\n")
