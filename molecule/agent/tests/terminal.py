"""Runs a program as a user on a terminal and answers its questions for passwords.

    python3 terminal.py USER PASSWORD,PASSWORD… PROGRAM ARGUMENT…

Runs on the host, as root.
"""

import os
import pty
import pwd
import select
import sys
import time

SECONDS = 20


def main():
    """Return when the program has ended, or fail when it does not."""
    name, passwords, *command = sys.argv[1:]
    answers = passwords.split(",")
    pid, terminal = pty.fork()
    if pid == 0:
        user = pwd.getpwnam(name)
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.chdir(user.pw_dir)
        os.execvp(command[0], command)
    question = b""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            said = os.read(terminal, 4096)
        except OSError:
            said = b""
        if not said:
            os.waitpid(pid, 0)
            return 0
        question += said
        if b"assword" in question and question.rstrip().endswith(b":") and answers:
            # sudo throws away what was typed before it had asked.
            time.sleep(0.2)
            os.write(terminal, answers.pop(0).encode() + b"\n")
            question = b""
    os.kill(pid, 9)
    return 1


if __name__ == "__main__":
    sys.exit(main())
