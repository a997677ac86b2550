"""``ledgerguard doctor``: one file per subject it checks."""
