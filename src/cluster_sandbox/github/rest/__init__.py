"""The REST side of the sandbox's GitHub."""
