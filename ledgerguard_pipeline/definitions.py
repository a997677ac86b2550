"""What ``workspace.yaml`` and ``dg`` load: the definitions of this installation's settings."""

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.instance.config_types import keep_recent_config_types

keep_recent_config_types()
defs = build_definitions(load_settings())
