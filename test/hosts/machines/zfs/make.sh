#!/bin/bash
# Makes the disk of a small machine with real ZFS, for QEMU without KVM: Debian 12, its cloud kernel, OpenZFS 2.1 as a module, sshd, sudo.
# Usage: make.sh FOLDER, in a mount namespace of its own; everything is made below FOLDER: vmlinuz, initrd.img, root.img, id_ed25519.
# Packages come from the mirrors that this machine's own apt uses.
set -euo pipefail
folder=$1
root=$folder/root
site() { apt-get indextargets --format '$(SITE) $(RELEASE)' | awk -v release="$1" '$2 == release { print $1; exit }'; }
mirror=$(site bookworm)
security=$(site bookworm-security)
[ -n "$mirror" ] || { echo "apt of this machine knows no mirror of Debian 12 (bookworm)"; exit 1; }
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"; }
install() { inside apt-get install -y -q --no-install-recommends "$@"; }
step() { echo "step: $*"; }

step "a minimal Debian"
debootstrap --variant=minbase --include=ca-certificates,systemd-sysv,udev,dbus,iproute2,kmod bookworm "$root" "$mirror"
{
  echo "deb $mirror bookworm main contrib"
  [ -z "$security" ] || echo "deb $security bookworm-security main contrib"
} > "$root/etc/apt/sources.list"
cat > "$root/etc/apt/apt.conf.d/99machine" <<'END'
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
printf 'path-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/locale/*\nforce-unsafe-io\n' > "$root/etc/dpkg/dpkg.cfg.d/99machine"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Only what is needed to mount /dev/vda: emulated, every module costs time at the start.
mkdir -p "$root/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=lz4\nRESUME=none\nFSTYPE=ext4\n' > "$root/etc/initramfs-tools/conf.d/zz-machine"
printf 'virtio_pci\nvirtio_blk\next4\n' > "$root/etc/initramfs-tools/modules"

step "its packages"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount --rbind /dev "$root/dev"
inside apt-get update -q
install lz4 initramfs-tools linux-image-cloud-amd64
install openssh-server sudo procps psmisc zfsutils-linux
kernel=$(basename "$(ls -d "$root"/usr/lib/modules/*cloud-amd64)")

step "the module of ZFS"
install "linux-headers-$kernel"
install zfs-dkms
modules=$root/usr/lib/modules/$kernel
[ -f "$modules/updates/dkms/zfs.ko" ] || { echo "the module was not made"; exit 1; }
mkdir "$modules/extra"
cp "$modules"/updates/dkms/*.ko "$modules/extra/"
inside apt-get purge -y -q --auto-remove zfs-dkms dkms "linux-headers-$kernel"
inside depmod "$kernel"

step "its configuration"
echo zfs-machine > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 zfs-machine\n' > "$root/etc/hosts"
: > "$root/etc/fstab"
rm -f "$root/etc/resolv.conf"
cat > "$root/etc/systemd/system/machine-network.service" <<'END'
[Unit]
DefaultDependencies=no
After=systemd-udev-trigger.service
Before=network.target network-online.target ssh.service
Wants=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'modprobe virtio_net; i=0; until ip link show eth0 >/dev/null 2>&1 || [ $i -ge 100 ]; do i=$((i+1)); sleep 0.1; done; ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2'
[Install]
WantedBy=multi-user.target
END
inside systemctl enable machine-network.service
# What nobody needs here, and what is slow when it is emulated.
inside systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  e2scrub_reap.service systemd-pstore.service systemd-timesyncd.service systemd-binfmt.service systemd-update-utmp.service \
  systemd-update-utmp-runlevel.service systemd-machine-id-commit.service systemd-journal-flush.service systemd-random-seed.service \
  getty@tty1.service serial-getty@ttyS0.service zfs-volume-wait.service zfs-share.service zfs-zed.service dev-hugepages.mount \
  dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount sys-kernel-config.mount \
  modprobe@drm.service modprobe@configfs.service modprobe@fuse.service modprobe@dm_mod.service modprobe@loop.service \
  modprobe@efi_pstore.service systemd-logind.service systemd-user-sessions.service systemd-sysusers.service \
  systemd-update-done.service systemd-ask-password-wall.path systemd-ask-password-console.path systemd-tmpfiles-clean.timer \
  remote-fs.target || true
# The import of pools requires udev-settle, which takes 20 s here: it does nothing.
mkdir -p "$root/etc/systemd/system/systemd-udev-settle.service.d" "$root/etc/systemd/system/systemd-udev-trigger.service.d"
printf '[Service]\nExecStart=\nExecStart=/bin/true\n' > "$root/etc/systemd/system/systemd-udev-settle.service.d/fast.conf"
printf '[Service]\nExecStart=\nExecStart=-/bin/udevadm trigger --type=devices --action=add --subsystem-match=block\n' > "$root/etc/systemd/system/systemd-udev-trigger.service.d/fast.conf"
mkdir -p "$root/etc/tmpfiles.d" "$root/etc/modprobe.d" "$root/etc/systemd/journald.conf.d" "$root/etc/ssh/sshd_config.d"
ln -sf /dev/null "$root/etc/tmpfiles.d/systemd-nologin.conf"
inside systemctl set-default multi-user.target
echo 'options zfs zfs_arc_max=268435456' > "$root/etc/modprobe.d/zfs.conf"
printf '[Journal]\nStorage=volatile\n' > "$root/etc/systemd/journald.conf.d/machine.conf"
sed -i 's/^\(session.*pam_systemd.so.*\)/#\1/' "$root/etc/pam.d/common-session"
printf 'PermitRootLogin prohibit-password\nUseDNS no\nGSSAPIAuthentication no\nPrintMotd no\nPrintLastLog no\nMaxStartups 100:30:200\nMaxSessions 100\nClientAliveInterval 0\n' > "$root/etc/ssh/sshd_config.d/machine.conf"
sed -i 's/^session.*pam_motd.*/#&/; s/^session.*pam_mail.*/#&/' "$root/etc/pam.d/sshd"
rm -f "$root"/etc/ssh/ssh_host_*
inside ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -C test -f "$folder/id_ed25519"
# An ordinary user, who may do nothing but log in.
inside useradd -m -s /bin/bash ann
for home in root home/ann; do
  mkdir -p "$root/$home/.ssh"
  cp "$folder/id_ed25519.pub" "$root/$home/.ssh/authorized_keys"
  chmod 700 "$root/$home/.ssh"
  chmod 600 "$root/$home/.ssh/authorized_keys"
done
inside chown -R ann:ann /home/ann/.ssh
head -c16 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$root/etc/machine-id"
echo >> "$root/etc/machine-id"
inside update-initramfs -u -k "$kernel"
cp "$root/boot/vmlinuz-$kernel" "$folder/vmlinuz"
cp "$root/boot/initrd.img-$kernel" "$folder/initrd.img"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$folder/host_key.pub"
rm -rf "$root/usr/sbin/policy-rc.d" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb

step "its disk"
umount -l "$root/dev" "$root/sys" "$root/proc"
truncate -s 5G "$folder/root.img"
mkfs.ext4 -q -F -O '^has_journal,^metadata_csum' -E lazy_itable_init=1,nodiscard -d "$root" "$folder/root.img"
rm -rf --one-file-system "$root"
