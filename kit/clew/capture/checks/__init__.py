"""What the doctor tries, by who records: the preload library, perf, and what traces from outside."""
