# Boots a systemd of its own: this machine's files with changes in memory, and nothing else of it.
# Run by `unshare` in new mount, process, network, IPC, host name and cgroup namespaces.
#
#   boot.sh FOLDER BINARY      FOLDER/files is laid over the root, BINARY becomes /usr/bin/taskpass
set -e
folder=$1 binary=$2
mount --make-rprivate /
mkdir "$folder/memory" "$folder/root"
mount -t tmpfs tmpfs "$folder/memory"
mkdir "$folder/memory/changes" "$folder/memory/work"
cp -a "$folder/files/." "$folder/memory/changes"
mount -t overlay overlay \
  -o "lowerdir=/,upperdir=$folder/memory/changes,workdir=$folder/memory/work" "$folder/root"
cd "$folder/root"
rm -rf etc/systemd/system/*.wants
touch usr/bin/taskpass
mount --bind "$binary" usr/bin/taskpass
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm .before
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
ip link set lo up
pivot_root . .before
umount -l /.before
# Credentials of units are mounted by a process of their own.
mount --make-rshared /
export container=test
exec /lib/systemd/systemd --system --unit=basic.target --show-status=no
