#!/bin/bash
# Makes the disk of a small machine with real ZFS, for QEMU without KVM: Debian 12, its cloud kernel, OpenZFS 2.1 as a module, sshd, sudo.
# Usage: make.sh FOLDER, in a mount namespace of its own; everything is made below FOLDER: vmlinuz, initrd.img, root.img, id_ed25519, host_key.pub.
# Packages come from the mirrors that this machine's own apt uses. What needs no set-up of its own is unpacked only.
set -euo pipefail
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$folder/root
work=$folder/work
site() { apt-get indextargets --format '$(SITE) $(RELEASE)' | awk -v release="$1" '$2 == release { print $1; exit }'; }
mirror=$(site bookworm)
security=$(site bookworm-security)
[ -n "$mirror" ] || { echo "apt of this machine knows no mirror of Debian 12 (bookworm)"; exit 1; }
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C chroot "$root" "$@"; }
# By the lists that the root was made of.
apt_of_root() { local program=$1; shift; "$program" -q -o Dir="$root" -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"; }
# Without putting a folder in the place of a link to one, such as /lib.
unpack() {
  local into=$1 name
  shift
  for name; do dpkg-deb --fsys-tarfile "$work/debs/${name}_"*.deb | tar -x --keep-directory-symlink -C "$into"; done
}
# With what the processors took until now, in seconds.
step() { echo "step: $1 ($(awk '{ print int(($14 + $15 + $16 + $17) / 100) }' /proc/$$/stat) s of a processor so far)"; }

step "a minimal Debian"
mkdir -p "$work/debs"
sources=("deb $mirror bookworm main contrib")
[ -z "$security" ] || sources+=("deb $security bookworm-security main contrib")
mmdebstrap --quiet --mode=root --variant=essential --skip=cleanup/apt \
  --include=systemd-sysv,udev,dbus,iproute2,kmod,mount,passwd,tzdata,openssh-server,sudo,procps,psmisc,libstdc++6 \
  --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --aptopt='Acquire::Retries "3"' --aptopt='APT::Sandbox::User "root"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
  bookworm "$root" "${sources[@]}"

step "its packages"
kernel=$(apt_of_root apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
kernel=${kernel#linux-image-}
[ -n "$kernel" ] || { echo "there is no kernel linux-image-cloud-amd64"; exit 1; }
headers=linux-headers-$kernel
common=linux-headers-${kernel%-cloud-amd64}-common
kbuild=linux-kbuild-${kernel%%.0-*}
userland=(zfsutils-linux libzfs4linux libzpool5linux libnvpair3linux libuutil3linux)
(cd "$work/debs" && apt_of_root apt-get download \
  "linux-image-$kernel" "$headers" "$common" "$kbuild" zfs-dkms busybox-static "${userland[@]}")
unpack "$root" "linux-image-$kernel" "${userland[@]}"
unpack "$work" "$headers" "$common" "$kbuild" zfs-dkms busybox-static

step "the module of ZFS"
source "$here/module.sh"
make_modules "$(echo "$work"/usr/src/zfs-*)" "$work/usr/src/$headers" "$work/usr/src/$common" "$root/usr/lib/modules/$kernel/extra"
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
inside systemctl enable machine-network.service zfs-import-cache.service zfs-import.target zfs-mount.service zfs.target
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
ssh-keygen -q -t ed25519 -N '' -C root@zfs-machine -f "$root/etc/ssh/ssh_host_ed25519_key"
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
cp "$root/boot/vmlinuz-$kernel" "$folder/vmlinuz"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$folder/host_key.pub"

step "what starts it"
# Only what is needed to mount /dev/vda: emulated, every module costs time at the start.
start=$work/start
mkdir -p "$start"/{bin,dev,modules,new}
cp "$work/bin/busybox" "$start/bin/busybox"
number=100
for needed in virtio_pci virtio_blk ext4; do
  for module in $(inside modprobe -S "$kernel" --show-depends "$needed" | awk '$1 == "insmod" { print $2 }'); do
    ls "$start/modules" | grep -q -- "-$(basename "$module")\$" && continue
    cp "$root$module" "$start/modules/$number-$(basename "$module")"
    number=$((number + 1))
  done
done
cat > "$start/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod "$module"; done
until /bin/busybox mount -t ext4 /dev/vda /new; do /bin/busybox sleep 0.1; done
exec /bin/busybox switch_root /new /sbin/init
END
sed -i '1s|.*|#!/bin/busybox sh|' "$start/init"
chmod 755 "$start/init"
(cd "$start" && find . | "$work/bin/busybox" cpio -o -H newc 2>/dev/null) > "$folder/initrd.img"

step "its disk"
rm -rf "$root"/boot/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
truncate -s 5G "$folder/root.img"
mkfs.ext4 -q -F -O '^has_journal,^metadata_csum' -E lazy_itable_init=1,nodiscard -d "$root" "$folder/root.img"
rm -rf --one-file-system "$root" "$work"
step "made"
