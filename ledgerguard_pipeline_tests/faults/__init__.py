"""The register of faults: what the product has to survive, and which test holds each promise."""
