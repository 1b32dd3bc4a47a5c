"""A small shop in three tiers, real in each: something worth recording. `python -m clew.demo` runs it under load."""
