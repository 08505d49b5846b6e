"""Runs a program as a user on a terminal and answers its questions for passwords.

    python3 terminal.py USER PASSWORD,PASSWORD… PROGRAM ARGUMENT…

Runs on the host, as root. What sudo and su say of a failure they say to the journal first and then
to the user; and then they end, often before journald has looked who they are. So the user presses
Ctrl-S after the last password, which holds up what they print, and Ctrl-Q a while later.
"""

import os
import pty
import pwd
import select
import sys
import time

SECONDS = 40
# PAM takes up to three seconds to say that a password is wrong.
HELD_SECONDS = 4
STOP, GO = b"\x13", b"\x11"


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
    held = False
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
        # The end of the line on which the last password was typed.
        if not answers and not held and b"\n" in said:
            os.write(terminal, STOP)
            time.sleep(HELD_SECONDS)
            os.write(terminal, GO)
            held = True
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
