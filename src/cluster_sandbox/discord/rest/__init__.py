"""The REST API: one module per family of routes, all served through `pipeline.py`."""
