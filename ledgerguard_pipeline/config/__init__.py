"""The settings of an installation, checked where they enter."""
