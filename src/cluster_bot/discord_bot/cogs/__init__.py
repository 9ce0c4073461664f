"""The commands. A cog gets the scheduler and what it needs to answer, never the bot."""
