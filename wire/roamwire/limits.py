"""Named maxima of everything that the network can make us hold, each with its reason."""

MAX_DATAGRAM_BYTES = 1400
"""One Ethernet frame without fragments: a lost fragment would lose the whole host message."""

MAX_LINE_BYTES = 16384
"""A control line carries at most a card's certificate (3 KiB DER, as base64) and its signature."""

MAX_FIELDS = 160
"""A host message with the most interfaces: 16 of its own and 32 times 4 for the interfaces."""

MAX_KEY_CHARS = 32
"""The longest key that we use has 11 characters; others may add theirs."""

MAX_VALUE_CHARS = 12288
"""A certificate or signature as text; anything else has a smaller bound of its own."""

MAX_NAME_CHARS = 64
"""Host, DTU and session names: one DNS label has at most 63 characters."""

MAX_TEXT_CHARS = 512
"""A sentence for a person."""

MAX_PASSWORD_CHARS = 256
"""A password that a person types; what PAM's modules take is longer (512 bytes)."""

MAX_TICKET_CHARS = 768
"""A redirect ticket: six names, two hashes of 64 hexadecimal digits, proofs, separators."""

MAX_LAYOUT_CHARS = 32
"""Names of keyboard layouts: the longest pair in use, such as `us(dvorak-alt-intl),ru`, has 22."""

MAX_INTERFACES = 32
"""Interfaces in one host message; servers with more announce the first of them."""

MAX_INTERFACES_BYTES = 980
"""Of a host message's 1400 bytes; the other fields take up to 410. 16 interfaces with IPv4 only."""

MAX_LISTED = 64
"""Servers in a signed list: it is tried one by one, so a longer one only wastes time."""

MAX_BLOCKS_BYTES = 1040
"""Of a datagram of blocks; its other fields and the signature take up to 350."""

MAX_BLOCKS_A_PAGE = 20
"""Entries in one datagram of blocks: the shortest has 66 bytes, so 15 fit."""

MAX_STAMP = 2**53
"""Of an entry of blocks: each change adds one, so nobody comes there by counting."""

MAX_CLAIMS = 8
"""Sessions of one token in one tokenR: the newest eight."""

MAX_OFFERS = 16
"""Sessions that a person can choose from: a screen shows ten and scrolls to the rest."""

MAX_INTEGER = 2**63 - 1
"""Counters and milliseconds fit into a signed 64-bit integer."""

MAX_PORT = 65535
"""Ports are 16 bits wide."""

REPLAY_WINDOW = 64
"""Datagrams that may arrive out of order, per sender and boot (as in RFC 4303 section 3.4.3)."""

MAX_BOOTS_PER_HOST = 4
"""Boots of one host whose numbers are followed at a time: the present one and three candidates."""

MAX_HOSTS = 256
"""Hosts of one group; SRSS groups had tens."""
