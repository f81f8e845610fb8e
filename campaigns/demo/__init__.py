"""A made-up shop to look around in: people, segments, groups and five campaigns. Never loaded in production.

Everything that has a work function is made by it, at made-up times; only people and the log of the campaign that was
"sent" are written in bulk. The same seed gives the same people on the same day.
"""
