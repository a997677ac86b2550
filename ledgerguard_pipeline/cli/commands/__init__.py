"""The verbs that work on an installation, one file each."""
