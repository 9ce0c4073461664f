"""A kill in the middle changes nothing: the bot dies at every named border and at random moments."""
