"""Launchers that misbehave, each in one way, over a pretended scheduler that counts what really ran."""
