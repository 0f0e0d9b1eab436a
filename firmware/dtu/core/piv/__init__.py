"""A client of PIV cards without I/O (NIST SP 800-73-4): generators that yield command APDUs.

A driver sends each to the card and gives the response back. What a signature is for, and
who believes it, is not here.
"""
