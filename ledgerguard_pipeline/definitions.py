"""What ``workspace.yaml`` and ``dg`` load: the definitions of this installation's settings."""

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.build import build_definitions

defs = build_definitions(load_settings())
