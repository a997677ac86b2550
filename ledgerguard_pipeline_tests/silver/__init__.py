"""Tests of Silver."""
