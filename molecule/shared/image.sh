#!/usr/bin/env bash
# Build one host image: image.sh SUITE IMAGE (as root). A minimal Debian with systemd, journald,
# sshd and sudo, as an installer leaves a server; nothing of Watchtower is in it.
set -euo pipefail
suite=$1 image=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packages=systemd,systemd-sysv,dbus,libpam-systemd,python3,sudo,openssh-server,iproute2,ca-certificates,procps,curl
# What the roles install is downloaded, not installed: the roles do their real work, and a test
# run does not wait for the package archive.
later='python3-requests python3-venv python3-apt'
[[ $suite == bullseye ]] || later+=' caddy'

# shellcheck disable=SC2016  # "$1" is the root of the new system, for the hook to expand
mmdebstrap --variant=minbase --include="$packages" \
  --aptopt='Acquire::Retries "5"' --aptopt='Acquire::Languages "none"' \
  --skip=cleanup/apt/lists,cleanup/apt/cache \
  --customize-hook="chroot \"\$1\" apt-get install --yes --no-install-recommends --download-only $later" \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
  --customize-hook="copy-in '$here/image/10-host-keys.conf' /tmp" \
  --customize-hook='install -D -m 0644 "$1/tmp/10-host-keys.conf" "$1/etc/systemd/system/ssh.service.d/10-host-keys.conf"' \
  --customize-hook='rm "$1/tmp/10-host-keys.conf"; mkdir -p "$1/var/log/journal"; : >"$1/etc/machine-id"' \
  --customize-hook='ln -sf /dev/null "$1/etc/systemd/system/systemd-modules-load.service"' \
  "$suite" "$work/rootfs.tar"

podman import --change 'CMD ["/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' \
  "$work/rootfs.tar" "$image"
