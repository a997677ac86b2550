"""Everything Dagster sees, and the only package that imports it.

Modules here leave out ``from __future__ import annotations``: Dagster reads annotations of
assets, resources and sensors at run time.
"""
