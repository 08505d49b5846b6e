#!/usr/bin/python3
"""Start the Watchtower agent of the release this file belongs to."""

import sys
from pathlib import Path

# By hand as root, too: the release is to stay as it was installed.
sys.dont_write_bytecode = True
# Isolated mode (-I, as the unit uses it) leaves out the script's folder; through the `current`
# link it must be the release's own folder that counts.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from watchtower_agent.__main__ import main  # noqa: E402  # it is found only by the line above

if __name__ == "__main__":
    sys.exit(main())
