"""Packshot's imaging engine: mesh in, scored product images out. Imports no Dagster."""
