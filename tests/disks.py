"""File systems for the tests: small ones, and one that breaks or loses its power."""

import fcntl
import os
import struct
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# ext4.h: what fsstress uses to cut the power. Not even the file system's journal is written.
EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2


def as_root(*command):
    """Run a command as root, without a question."""
    needed = ["sudo", "-n", *command] if os.geteuid() != 0 else command
    try:
        ended = subprocess.run(needed, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        pytest.fail(f"a file system needs root: run this as root, or install sudo ({error})")
    if ended.returncode != 0:
        pytest.fail(
            f"{' '.join(needed)}: {ended.stderr.strip()}. A file system needs root: run this as "
            "root, or as a user whom sudo asks for no password (or run sudo -v before)"
        )
    return ended.stdout.strip()


@contextmanager
def small(folder, megabytes):
    """Have a file system of so many megabytes there."""
    folder.mkdir()
    options = f"size={megabytes}m,mode=700,uid={os.getuid()},gid={os.getgid()}"
    as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield folder
    finally:
        as_root("umount", str(folder))


@contextmanager
def no_disk_is_mounted(lock=fcntl.LOCK_EX):
    """Wait until no `Disk` of these tests is mounted, and let none be while this lasts.

    A mount namespace that is made meanwhile would keep it, and break it for whoever repairs it.
    """
    with Path(__file__).open("rb") as file:
        fcntl.flock(file, lock)
        yield


class Disk:
    """A disk with ext4 on it."""

    def __init__(self, folder, megabytes):
        self.image = folder / "image"
        self.folder = folder / "disk"
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)
        owner = f"root_owner={os.getuid()}:{os.getgid()}"
        as_root("mkfs.ext4", "-q", "-F", "-E", owner, str(self.image))
        self._others = ExitStack()
        self.mount()

    def mount(self):
        self._others.enter_context(no_disk_is_mounted(fcntl.LOCK_SH))
        as_root("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder))

    def unmount(self):
        with self._others:
            as_root("umount", str(self.folder))

    def repair(self):
        """Do what an operator does after a defect; nobody may use it meanwhile."""
        self.unmount()
        as_root("sh", "-c", f"fsck.ext4 -y {self.image} >/dev/null 2>&1 || [ $? -lt 4 ]")
        self.mount()

    def cut_power(self):
        """Lose what is not on the disk yet; nothing works from then on until a new mount."""
        program = (
            "import fcntl, os, sys\n"
            "disk = os.open(sys.argv[1], os.O_RDONLY)\n"
            f"fcntl.ioctl(disk, {EXT4_IOC_SHUTDOWN}, {struct.pack('I', NOLOGFLUSH)!r})\n"
        )
        as_root(sys.executable, "-c", program, str(self.folder))

    def fail(self):
        """Report a defect to the kernel, which then lets nobody write any longer."""
        device = Path(as_root("findmnt", "-no", "SOURCE", str(self.folder))).name
        as_root("sh", "-c", f"echo 1 > /sys/fs/ext4/{device}/trigger_fs_error")
