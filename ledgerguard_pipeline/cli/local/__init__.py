"""``up``, ``demo`` and ``sandbox``: the whole product on this machine."""
