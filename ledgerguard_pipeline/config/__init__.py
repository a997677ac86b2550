"""What an installation is configured with, checked where it enters."""
