"""The soak: a whole installation for minutes to hours among faults, edits and kills, then judged.

``python -m ledgerguard_pipeline_tests.soak``, which ``make soak`` starts.
"""
