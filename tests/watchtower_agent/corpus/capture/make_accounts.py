"""Runs on a test host: write accounts into passwd(5), shadow(5) and group(5), homes included.

useradd(8) refuses some of the names. Members of a Windows domain have such names all the same.
"""

import json
import os
import sys
from pathlib import Path

DATABASES = {name: Path("/etc", name) for name in ("passwd", "shadow", "group")}
# The numbers from here on have no group.
NO_GROUP = 10000


def replace(database, name, line):
    """Put a line in the place of an account's old one."""
    path = DATABASES[database]
    kept = [old for old in path.read_text().splitlines() if old.split(":")[0] != name]
    path.write_text("".join(f"{each}\n" for each in [*kept, line]))


for account in json.loads(sys.argv[1]):
    name, password = account["name"], account["password"]
    changed, expires = account.get("changed", 20000), account.get("expires", "")
    replace("shadow", name, f"{name}:{password}:{changed}:0:99999:7::{expires}:")
    if name == "root":
        continue
    number = account["number"]
    replace("passwd", name, f"{name}:x:{number}:{number}::/home/{name}:{account['shell']}")
    if number < NO_GROUP:
        replace("group", name, f"{name}:x:{number}:")
    home = Path("/home", name)
    home.mkdir(exist_ok=True)
    os.chown(home, number, number)
