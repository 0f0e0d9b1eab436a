"""The seeded simulator: many servers and desks on a virtual clock over the real core code."""
