"""Launchers: each starts runs on one scheduler. Imported by the composition root alone, when configured."""
