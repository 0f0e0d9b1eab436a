# Second part of the test guest's start: udev, then the agent. systemd only for the tests of units: it
# would double the time to the first test, and what the others test is the kernel's. The first part is
# in image.py.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8
mountpoint -q /run || mount -t tmpfs -o mode=755 run /run
grep -qw roamdesk.systemd /proc/cmdline && exec sh /src/tools/roamtools/qemu/guest_systemd.sh
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
ip link set lo up
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --type=all --action=add
udevadm settle --timeout=60
cd /src
export PYTHONPATH=wire:firmware:server:tools PYTHONDONTWRITEBYTECODE=1
export ROAMDESK_GUEST=1 PYTHONUNBUFFERED=1
python3 -m roamtools.qemu.agent
echo "guest: the agent has ended, switching off"
echo o > /proc/sysrq-trigger
sleep 60
