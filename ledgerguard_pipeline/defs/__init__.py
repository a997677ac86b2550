"""Everything Dagster sees, and the only package that imports it.

Modules here leave out ``from __future__ import annotations``: Dagster reads annotations of
assets, resources and sensors at run time.
"""

import warnings

from dagster import BetaWarning

# BackfillPolicy is what makes a year of one company one run; it is still marked beta in 1.13 and
# would warn once per asset on every start.
warnings.filterwarnings("ignore", category=BetaWarning)
