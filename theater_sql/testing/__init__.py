"""Tests for storages, to run against your own."""
