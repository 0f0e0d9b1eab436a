"""Roamdesk's wire: bytes to messages and back, signatures, tickets. No I/O, clock or randomness."""
