# The test guest's start with systemd: the terminal's files where an image has them, the agent as a
# unit. Sourced by nobody; guest_init.sh runs it as process 1.
firmware=/src/firmware
mkdir -p /etc/roamdesk /usr/lib/roamdesk /usr/lib/sysusers.d /usr/lib/tmpfiles.d
cp $firmware/etc/network/* $firmware/etc/udhcpc/* /usr/lib/roamdesk/
cp $firmware/systemd/*.service /etc/systemd/system/
cp $firmware/udev/*.rules /etc/udev/rules.d/
cp $firmware/systemd/roamdesk-dtu.sysusers.conf /usr/lib/sysusers.d/roamdesk-dtu.conf
cp $firmware/systemd/roamdesk-dtu.tmpfiles.conf /usr/lib/tmpfiles.d/roamdesk-dtu.conf
systemd-sysusers
printf 'name = "desk1"\nimage = true\ndisplay = "console"\ninput = "evdev"\nsound = "none"\n' \
	>/etc/roamdesk/dtu.toml
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
echo desk1 >/etc/hostname

units=/run/systemd/system
mkdir -p $units/roamdesk-dtu.service.d
cat >$units/roamdesk-dtu.service.d/tree.conf <<END
# An image has the packages installed.
[Service]
Environment=PYTHONPATH=/src/wire:/src/firmware PYTHONDONTWRITEBYTECODE=1
END
cat >$units/roamdesk-agent.service <<END
[Unit]
Description=Agent of the test guest
[Service]
WorkingDirectory=/src
Environment=PYTHONPATH=wire:firmware:server:tools PYTHONDONTWRITEBYTECODE=1
Environment=ROAMDESK_GUEST=1 PYTHONUNBUFFERED=1 HOME=/root LC_ALL=C.UTF-8
ExecStart=/usr/bin/python3 -m roamtools.qemu.agent
ExecStopPost=/usr/bin/systemctl poweroff --force --force
END
cat >$units/roamdesk-guest.target <<END
[Unit]
Description=Test guest
Requires=basic.target
Wants=roamdesk-agent.service
After=basic.target
END
exec /usr/lib/systemd/systemd --unit=roamdesk-guest.target
