"""What ``workspace.yaml`` and ``dg`` load: the definitions of this installation's settings."""

from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.settings import load_settings

defs = build_definitions(load_settings())
