"""What a case or a profile is written as for other programs."""
