# Usage: boot.sh DIRECTORY AGENT
# Boots systemd in a machine of its own, whose files are in memory at DIRECTORY, with AGENT as /opt/portward-agent.
# Says `first PID`, and ends the machine when its own standard input ends. It runs in a mount namespace of its own.
set -eu
root=$1
agent=$2

mount -t tmpfs -o mode=755 portward "$root"
cd "$root"
mkdir -p usr etc/systemd/system etc/portward-agent proc sys dev run tmp var/log var/lib root home opt srv/tls
ln -s /run var/run
for name in bin sbin lib lib64; do [ ! -L /$name ] || ln -s usr/$name $name; done
mount --rbind /usr usr
mount -o remount,bind,ro usr

# Of the system's units those alone by which there is a journal, and something to be wanted by: no service of this machine.
mkdir units units/sockets.target.wants units/sysinit.target.wants
for unit in sysinit basic multi-user network network-online shutdown umount final sockets slices paths timers local-fs; do
  cp usr/lib/systemd/system/$unit.target units/
done
cp usr/lib/systemd/system/systemd-journald.socket usr/lib/systemd/system/systemd-journald.service units/
ln -s ../systemd-journald.socket units/sockets.target.wants/
ln -s ../systemd-journald.service units/sysinit.target.wants/
mount --bind units usr/lib/systemd/system

printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\nsystemd-journal:x:101:\n' >etc/group
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n' >etc/hosts
printf '%032x\n' 7 >etc/machine-id
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache etc/
: >opt/portward-agent
mount --bind "$agent" opt/portward-agent

mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
ln -s /proc/self/fd dev/fd
mount -t sysfs -o ro sys sys

# A control group of its own is the top of all that this systemd sees.
mount -t cgroup2 cgroup2 sys/fs/cgroup
own=sys/fs/cgroup/portward-test-$$
mkdir $own
cat >first.sh <<'END'
set -eu
# As the namespace of processes is called from outside: /proc is not mounted anew yet.
read -r pid rest </proc/self/stat
umount sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mkdir old
pivot_root . old
cd /
umount -l /old
rmdir /old
echo "$pid" >/first.pid
echo "first $pid" >&3
exec 3>&-
# Inside a container it leaves the kernel's own settings alone.
export container=portward-test
exec /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal
END
echo $$ >$own/cgroup.procs
unshare --mount --propagation private --pid --fork --kill-child --cgroup sh first.sh 3>&1 </dev/null >/dev/null &
child=$!
echo $$ >sys/fs/cgroup/cgroup.procs

cat >/dev/null || true
kill -KILL "$(cat first.pid)" || kill -KILL $child || true
wait $child || true
# Those that it ran are killed with it, and are gone a moment later.
for _ in $(seq 200); do
  ! find $own -depth -type d -exec rmdir {} + 2>/dev/null || exit 0
  sleep 0.05
done
echo "the control group $own is still used" >&2
exit 1
