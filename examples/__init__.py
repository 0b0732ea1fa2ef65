"""The example catalogue and the code that makes it."""
