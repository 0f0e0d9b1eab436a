"""PipeWire as a sound server: its settings and how it is started. Starts nothing itself.

One `pipewire` process has the loudspeaker, the microphone and PulseAudio's native protocol, and
starts WirePlumber, which makes them the default devices and joins streams to them. Neither needs
D-Bus, or asks for any device of the machine.
"""

from pathlib import Path

MICROPHONE_HZ = 440
"""What its test source plays; no setting of it can be told another one."""

CONFIG = """\
context.properties = {{
    core.daemon = true
    core.name = pipewire-0
    support.dbus = false
    default.clock.min-quantum = 1024  # 21 ms; what PipeWire itself takes in virtual machines
}}
context.spa-libs = {{
    audio.convert.* = audioconvert/libspa-audioconvert
    audiotestsrc = audiotestsrc/libspa-audiotestsrc
    support.* = support/libspa-support
}}
context.modules = [
    {{ name = libpipewire-module-protocol-native }}
    {{ name = libpipewire-module-metadata }}
    {{ name = libpipewire-module-spa-node-factory }}
    {{ name = libpipewire-module-client-node }}
    {{ name = libpipewire-module-access }}
    {{ name = libpipewire-module-adapter }}
    {{ name = libpipewire-module-link-factory }}
    {{ name = libpipewire-module-session-manager }}
    {{ name = libpipewire-module-protocol-pulse
        args = {{ server.address = [ "unix:{socket}" ] }} }}
]
context.objects = [
    # Is the clock of whatever has none.
    {{ factory = spa-node-factory args = {{
        factory.name = support.node.driver
        node.name = clock
        node.group = pipewire.dummy
        priority.driver = 20000 }} }}
    {{ factory = adapter args = {{
        factory.name = support.null-audio-sink
        node.name = loudspeaker
        media.class = Audio/Sink
        object.linger = true
        node.always-process = true  # 1.4 tells no new volume of a sink that has not run yet
        priority.session = 1000  # so are devices of a machine: sources before monitors of sinks
        audio.rate = 48000
        audio.position = [ FL FR ] }} }}
    {{ factory = adapter args = {{
        factory.name = audiotestsrc
        node.name = microphone
        media.class = Audio/Source
        object.linger = true
        priority.session = 2000
        audio.position = [ FL FR ] }} }}
]
context.exec = [
    {{ path = "wireplumber" args = "" }}
]
"""

# WirePlumber without the parts that look for devices or want D-Bus: 0.4 (Debian 12) reads Lua, 0.5
# (Debian 13) the other file, and each only its own.
WIREPLUMBER = {
    "main.lua.d/80-lab.lua": """\
alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
default_access.properties["enable-flatpak-portal"] = false
""",
    "bluetooth.lua.d/80-lab.lua": "bluez_monitor.enabled = false\n",
    "wireplumber.conf.d/80-lab.conf": """\
wireplumber.profiles = {
    main = {
        hardware.audio = disabled
        hardware.bluetooth = disabled
        hardware.video-capture = disabled
        support.dbus = disabled
    }
}
""",
}


def write_settings(folder: Path, socket: Path) -> None:
    """The files of a server at `socket`, in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "pipewire.conf").write_text(CONFIG.format(socket=socket))
    for name, text in WIREPLUMBER.items():
        file = folder / "wireplumber" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def command(folder: Path) -> list[str]:
    """The command line of the server whose settings are in `folder`."""
    return ["pipewire", "-c", str(folder / "pipewire.conf")]


def environment(folder: Path) -> dict[str, str]:
    """Its environment variables: all that it writes goes to `folder`."""
    return {
        "XDG_CONFIG_HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder),
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
    }
