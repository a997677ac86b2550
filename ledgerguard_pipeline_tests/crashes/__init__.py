"""Every crash point of the source, and the work that a process is killed in there."""
