"""The flight recorder: perf records all the time, and only what surrounds a trigger is kept."""
