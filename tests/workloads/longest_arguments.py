"""Prints how many bytes of arguments a program can be given: what clew adds to the environment must not lower it."""

import subprocess


def accepted(size: int) -> bool:
    arguments = ["x" * 100_000] * (size // 100_000) + ["y" * (size % 100_000)]
    try:
        subprocess.run(["/bin/true", *arguments], env={}, check=True)
    except OSError:
        return False
    return True


low, high = 1_000_000, 4_000_000
while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if accepted(middle) else (low, middle)
print(low)
