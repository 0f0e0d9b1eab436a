"""The version of this software, for people to read. Nothing is decided by it."""

VERSION = "0.1.0"
