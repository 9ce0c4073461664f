"""One module per area of the API; `../door.py` puts them together."""
