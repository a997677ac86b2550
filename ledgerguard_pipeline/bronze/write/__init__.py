"""Writing Bronze: which version is newer, and commits that are all or nothing."""
