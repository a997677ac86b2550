"""Reading Bronze: frames, counts, live ids, figures for checks."""
